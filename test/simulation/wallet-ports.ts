/** One instance's ports: every answer is an operation of the scheduler's, and reaches only an instance that still runs. */
import { nodeCipher } from "../../durable-objects/cipher.ts";
import type { WalletCore } from "../../durable-objects/wallet/core.ts";
import { PAYER_SLOTS, TIMING, type OpenKey, type WalletPorts } from "../../durable-objects/wallet/ports.ts";
import type { Payer, PaymentOutcome } from "../../lightning/payer.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import type { Instance } from "./sim-object.ts";
import { Violation } from "./scheduler.ts";
import type { World } from "./world.ts";

export function walletPorts(world: World, instance: Instance<WalletCore>): WalletPorts {
  const { scheduler, weather, control, node, house, object } = world;
  /** An answer that is made here, later. */
  const later = <T>(label: string, settle: () => T): Promise<T> =>
    new Promise((resolve, reject) => {
      scheduler.after(scheduler.choice.delay(5), label, () => {
        if (instance.gone) return;
        try {
          resolve(settle());
        } catch (error) {
          reject(error as Error);
        }
      });
    });
  /** A call to another object: it leaves through the output gate, and is worked on where it arrives. */
  const remote = <T>(label: string, work: () => T, heard: (answer: T) => void = () => {}): Promise<T> =>
    new Promise((resolve, reject) => {
      instance.send(
        () =>
          void scheduler.after(weather.travel(), label, () => {
            let tell: () => void;
            try {
              const answer = work();
              tell = () => {
                heard(answer);
                resolve(answer);
              };
            } catch (error) {
              tell = () => reject(error as Error);
            }
            if (weather.strikes("lostReply", 30)) return;
            scheduler.after(weather.travel(), `${label} answers`, () => {
              if (!instance.gone) tell();
            });
          }),
      );
    });
  const ask = <T>(what: string, name: (answer: T) => string, arrive: (reply: (answer: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      const back = (label: string, tell: () => void): void =>
        void scheduler.after(weather.travel(), label, () => {
          if (!instance.gone) tell();
        });
      instance.send(() => {
        if (weather.strikes("lostCall", 15)) {
          if (scheduler.choice.oneIn(2)) back(`${what} refused`, () => reject(new Error("connection refused")));
          return;
        }
        const replyLost = weather.strikes("lostReply", 12);
        const broken = weather.strikes("payerError", 20);
        const twice = scheduler.choice.oneIn(12);
        // The line is cut while the order is still on its way: it arrives all the same, later.
        const cut = weather.strikes("payerError", 20);
        if (cut) back(`${what} cut`, () => reject(new Error("connection reset")));
        scheduler.after(cut ? scheduler.choice.delay(60_000) : weather.travel(), `${what} arrives`, () => {
          if (broken) back(`${what} broken`, () => reject(new Error("connection reset")));
          arrive((answer) => {
            if (replyLost) return;
            back(`${what}: ${name(answer)}`, () => resolve(answer));
            if (twice) back(`${what} again: ${name(answer)}`, () => resolve(answer));
          });
        });
      });
    });
  const known = (key: OpenKey): OpenKey => {
    if (!house.knowsKey(key)) throw failed(world, "invariant 10: something was sealed or opened with a key that is not this wallet's");
    return key;
  };
  /** This deployment's payer: what another one has in hand it has never seen, and its word about that would be worth nothing. */
  const { backend } = house;
  const rightful = ({ epoch }: { readonly epoch: number }, what: string): void => {
    if (control.backendAt(epoch) !== backend)
      throw failed(world, `invariant 13: ${backend} was asked to ${what} for a wallet that was with ${control.backendAt(epoch)}`);
  };
  /** Orders that have left, by when the wallet gives them up; four at once is what a payer must expect. */
  const running = new Set<{ readonly until: number }>();
  const order = <T>(called: () => Promise<T>): Promise<T> => {
    for (const other of running) if (other.until <= scheduler.now) running.delete(other);
    if (running.size >= PAYER_SLOTS) throw failed(world, `invariant 1: ${running.size + 1} orders at once`);
    const mine = { until: scheduler.now + TIMING.payDeadline };
    running.add(mine);
    const over = (): void => void running.delete(mine);
    const call = called();
    call.then(over, over);
    return call;
  };
  const outcome = ({ kind }: PaymentOutcome): string => kind;
  /** Operations that this instance's payer has made itself ready for. */
  const prepared = new Set<string>();
  /** What a payer has that lives in the object. */
  const within: Pick<Payer, "prepare" | "resume" | "maintain" | "forget"> = {
    prepare: ({ operationId, epoch }) => {
      rightful({ epoch }, "prepare");
      const odd = weather.strikes("unready", 6) ? scheduler.choice.pick(["refuses", "throws", "is slow", "is silent"]) : null;
      if (odd === "is silent") return new Promise(() => {});
      return new Promise((resolve, reject) => {
        scheduler.after(scheduler.choice.delay(odd === "is slow" ? 60_000 : 200), `prepare ${odd ?? ""}`, () => {
          if (instance.gone) return;
          if (odd === "throws") return reject(new Error("the payer cannot be built"));
          if (odd === "refuses")
            return resolve({ ready: false, code: scheduler.choice.pick(["insufficient_funds", "backend_unavailable"]) });
          prepared.add(operationId);
          resolve({ ready: true });
        });
      });
    },
    resume: (asked) => {
      rightful(asked, "resume");
      world.books.resumed(asked);
      return order(() => ask("resume", outcome, (reply) => node.resume(asked, reply)));
    },
    maintain: () => {
      world.books.maintained();
      return later("maintain", () => {
        if (weather.strikes("payerError", 4)) throw new Error("the payer's housekeeping failed");
        return weather.quiet || scheduler.choice.oneIn(3) ? null : scheduler.now + object.clockOffset + scheduler.choice.delay(600_000);
      });
    },
    forget: () => prepared.clear(),
  };
  return {
    sql: instance.sql,
    alarm: { set: (at) => instance.setAlarm(at), clear: () => instance.setAlarm(null) },
    clock: {
      now: () => scheduler.now + object.clockOffset,
      timer: (ms) => {
        let cancel = (): void => {};
        const done = new Promise<void>((resolve) => {
          cancel = scheduler.after(ms, "timer", () => {
            if (!instance.gone) resolve();
          }).cancel;
        });
        return { done, cancel: () => cancel() };
      },
    },
    random: { bytes: (length) => scheduler.choice.bytes(length) },
    sealer: {
      seal: (key, nonce, context, plain) => sealRecord(nodeCipher, known(key), nonce, context, plain),
      open: (key, context, sealed) => openRecord(nodeCipher, known(key), context, sealed),
    },
    keys: {
      wrap: (key) => later("kek wraps", () => house.wrap(key)),
      unwrap: (version, wrapped) => later("kek unwraps", () => house.unwrap(version, wrapped)),
    },
    payer: {
      backend,
      granularity: "msat",
      pay: (asked) => {
        rightful(asked, "pay");
        world.books.sent(asked);
        if (node.within && !prepared.has(asked.operationId))
          throw failed(world, "invariant 1: the payer was called before it had made itself ready");
        return order(() => ask("pay", outcome, (reply) => node.pay(asked, reply)));
      },
      ...(node.within ? within : {}),
      lookup: (operation) => {
        rightful(operation, "look");
        return ask("lookup", outcome, (reply) => node.lookup(operation, reply));
      },
      cancel: (operation) => {
        rightful(operation, "fence");
        return ask(
          "cancel",
          (answer) => answer,
          (reply) => reply(node.cancel(operation)),
        );
      },
      status: async () => ({
        backend,
        online: true,
        spendableMsat: null,
        network: "regtest",
        lastPaymentAt: null,
        version: null,
      }),
    },
    control: {
      security: () => {
        const askedAt = scheduler.now;
        return remote(
          "security",
          () => control.security(instance.generation),
          (state) => {
            if (scheduler.now - askedAt < TIMING.controlDeadline) control.told(instance.generation, state);
          },
        );
      },
      ingestReceipts: (_walletId, records) =>
        remote("receipts", () => {
          if (weather.strikes("staleControl", 10)) throw new Error("the control plane is down");
          return { acknowledged: control.ingest(records) };
        }),
      putSnapshot: (snapshot) =>
        remote("snapshot", () => {
          control.snapshot(snapshot.at, snapshot.openRows);
        }),
    },
    custody: {
      rewrap: async (envelope) => later("rewrap", () => ({ ok: true as const, value: { ...envelope } })),
      reencrypt: async (envelope) => later("reencrypt", () => ({ ok: true as const, value: { ...envelope } })),
      wrapFor: async (envelope, _binding, spender) =>
        later("wrap for another", () => ({
          ok: true as const,
          value: { ...envelope, kekVersion: spender === null ? "v1" : `${spender}/v1` },
        })),
      record: () => remote("record", () => control.record),
      envelope: () => remote("envelope", () => control.envelope),
      putEnvelope: (next, expected) =>
        remote("put envelope", () => {
          if (control.envelope !== expected) return false;
          control.envelope = next;
          return true;
        }),
      moveSpender: (change) =>
        remote("spender moves", () => {
          const moved = control.moveSpender(change, openNow(world));
          return { moved, record: control.record };
        }),
    },
    log: () => {},
  };
}

/** Seen through the checks, so that what the look finds is not lost to them. */
function openNow(world: World): number {
  world.books.check();
  return world.mirror.open();
}

function failed(world: World, what: string): Violation {
  const violation = new Violation(what);
  world.scheduler.fail(violation);
  return violation;
}
