/**
 * Those who run the house: they stop and start the wallet, withdraw, end what no payer can end, write off what no seller will deliver,
 * and keep the keys. They are honest and may be late; they look at the node's own books before they say how a payment ended.
 */
import type { WalletCore } from "../../durable-objects/wallet/core.ts";
import type { Backend } from "../../lightning/payer.ts";
import type { OpenKey } from "../../durable-objects/wallet/ports.ts";
import { HOUR } from "../../lightning/decide.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { Rotation, SpenderMove } from "../../lightning/wallet-custody.ts";
import type { PurchaseView } from "../../lightning/wallet-api.ts";
import { RECORD } from "./wallet-record.ts";
import { insist } from "./wire.ts";
import type { World } from "./world.ts";

export interface Wanted {
  readonly amountMsat: number;
  readonly maxFeeMsat: number;
  readonly expiresAt: number;
}

/** Hours after the last purchase. What nobody but an operator can end comes to its end in one of these. */
const ROUNDS = [0.2, 1.1, 2, 4, 8, 24];
/** How long a caller may take to hear what the object said: it is asked again, and every way may be slow. Milliseconds. */
const ON_ITS_WAY = 600_000;
/** wrangler.toml, triggers. */
const CRON_MS = 300_000;

export class House {
  /** Somebody has been told that the wallet is disabled, and nobody has asked to enable it since. */
  disabled = false;
  /** The stored policy is not a policy, and nobody has set another. */
  unreadable = false;
  /** When the object's clock was last set back, by the true time; anything reckoned in its time is blurred then. */
  clockSetBackAt = 0;
  readonly withdrawals = new Map<string, Wanted>();
  /** The backend of the deployment that runs now. */
  backend: Backend = RECORD.backend;
  #enabling = 0;
  #enables = 0;
  #kekDown = false;
  /** When the secret store was last away, and when the policy was last not one. The scheduler's time. */
  #downUntil = -Infinity;
  #unreadableUntil = -Infinity;
  #kek = 1;
  readonly #retired = new Set<string>();
  /** Every record key that was ever wrapped. */
  readonly #keys = new Set<string>();
  readonly #world: World;

  constructor(world: World) {
    this.#world = world;
  }

  // ---- keys
  wrap(key: Uint8Array): { readonly kekVersion: string; readonly wrapped: Uint8Array } {
    if (this.#kekDown) throw new Error("the secret store is down");
    this.#keys.add(key.join());
    return { kekVersion: `v${this.#kek}`, wrapped: Uint8Array.of(this.#kek, ...key) };
  }

  unwrap(version: string, wrapped: Uint8Array): Uint8Array | null {
    const readable = !this.#kekDown && !this.#retired.has(version) && version === `v${wrapped[0]}`;
    return readable ? wrapped.slice(1) : null;
  }

  knowsKey(key: OpenKey): boolean {
    return this.#keys.has(key.bytes.join());
  }

  /** Somebody is about to start the wallet again, or has just done so. */
  get isEnabling(): boolean {
    return this.#enabling > 0;
  }

  /** Something may rightly be called unopenable: the word of a moment ago may still be on its way. */
  get keysWereAway(): boolean {
    return this.#kekDown || this.#world.scheduler.now < this.#downUntil + ON_ITS_WAY;
  }

  get policyWasAway(): boolean {
    return this.unreadable || this.#world.scheduler.now < this.#unreadableUntil + ON_ITS_WAY;
  }

  // ---- what happens in a run
  /** @param until the last purchase begins about then, ms from now */
  plan(until: number): void {
    const { scheduler, weather, control } = this.#world;
    const { choice } = scheduler;
    const times = (most: number, label: string, run: () => void): void => {
      for (let i = choice.below(most + 1); i > 0; i--) scheduler.after(choice.below(until + 1), label, run);
    };
    // In a burst of a few seconds one stop is most of the run.
    const often = until < 60_000 ? 1 : 3;
    if (weather.on("switches")) {
      for (const which of ["globalPause", "ownerKillSwitch"] as const)
        times(often, `${which} on`, () => {
          control.turn(which, true);
          scheduler.after(choice.below(30_000), `${which} off`, () => control.turn(which, false));
        });
      times(often, "disable", () => this.#spawn(this.#disable()));
    }
    if (weather.on("kek"))
      times(1, "kek down", () => {
        this.#kekDown = true;
        scheduler.after(choice.below(2000), "kek up", () => {
          this.#kekDown = false;
          this.#downUntil = scheduler.now;
        });
      });
    if (weather.on("unreadable")) times(1, "policy garbled", () => this.#garble());
    if (weather.on("clockJumps")) times(5, "clock", () => this.#jump());
    if (weather.on("deploys")) times(1, "deploy", () => this.#world.object.deploy());
    if (weather.on("newSpender") && choice.oneIn(6))
      scheduler.after(until - choice.below(Math.floor(until / 4) + 1), "another spender", () => this.#otherSpender());
    if (weather.on("rotations")) {
      times(2, "rotate the record key", () => this.#spawn(this.#rotate("record-key")));
      times(1, "rotate the kek", () => this.#spawn(this.#newKek()));
      times(1, "rotate the data key", () => this.#spawn(this.#rotate("data-key")));
      times(1, "move the spender", () => this.#spawn(this.#move()));
    }
    times(2, "withdraw", () => this.#spawn(this.#withdraw()));
    times(3, "the operator looks", () => this.#spawn(this.#round()));
    for (const hours of ROUNDS) scheduler.after(until + hours * HOUR, "the operator looks", () => this.#spawn(this.#round()));
    if (weather.on("backends")) {
      times(1, "another backend", () => this.#spawn(this.#otherBackend(Math.min(600_000, until / 8 + 2))));
      scheduler.after(until + HOUR, "the right backend", () => this.rightBackend());
    }
    for (let at = CRON_MS; at < until + 2 * HOUR; at += CRON_MS) scheduler.after(at, "cron", () => this.#cron());
  }

  #spawn(work: Promise<void>): void {
    work.catch((error: unknown) => this.#world.scheduler.fail(error));
  }

  async #disable(): Promise<void> {
    const before = this.#enables;
    const { scheduler } = this.#world;
    const done = scheduler.choice.oneIn(2)
      ? await insist(this.#world, "disable", (core) => core.disable())
      : await insist(this.#world, "disable now", (core) => core.disableNow());
    if (done?.ok !== true) return;
    // An answer that was long on its way says nothing about now, if somebody has enabled the wallet since, or is still at it.
    if (this.#enables === before && this.#enabling === 0) this.disabled = true;
    scheduler.after(scheduler.choice.below(20_000), "enable", () => this.#spawn(this.#enable()));
  }

  async #enable(): Promise<void> {
    this.disabled = false;
    this.#enabling++;
    this.#enables++;
    await insist(this.#world, "enable", (core) => core.enable());
    this.#enabling--;
  }

  /** A half-restored database: the object is restarted on it, as a point-in-time recovery does. */
  #garble(): void {
    const { object, scheduler, policies } = this.#world;
    object.commit();
    object.sql.rows(
      "UPDATE wallet SET policy = ? WHERE only = 1",
      scheduler.choice.pick(["{", "{}", JSON.stringify({ ...policies.wallet, perPaymentMsat: "unlimited" })]),
    );
    object.commit();
    object.crash();
    this.unreadable = true;
    scheduler.after(scheduler.choice.delay(30_000), "policy mended", () => {
      this.unreadable = false;
      this.#spawn(this.#mend());
    });
  }

  async #mend(): Promise<void> {
    const { policies } = this.#world;
    this.#unreadableUntil = Infinity;
    // Until it has been heard: a wallet without a policy would pay nothing for the rest of the run.
    while ((await insist(this.#world, "set policy", (core) => core.setPolicy(policies.wallet))) === null);
    this.#unreadableUntil = this.#world.scheduler.now;
  }

  #jump(): void {
    const { object, scheduler } = this.#world;
    const { choice } = scheduler;
    const by = choice.delay(choice.pick([2000, 60_000, 3_600_000])) * (choice.oneIn(2) ? 1 : -1);
    if (by < 0) this.clockSetBackAt = scheduler.now;
    object.jump(by);
  }

  #otherSpender(): void {
    const { control, node } = this.#world;
    control.raiseEpoch(control.state.epoch + 1);
    node.seen(control.state.epoch);
  }

  async #rotate(what: Rotation): Promise<void> {
    await insist(this.#world, `rotate ${what}`, (core) => core.rotate(what));
  }

  /** A new version beside the old one, everything wrapped anew, and the old one away once nothing is wrapped with it. */
  async #newKek(): Promise<void> {
    this.#kek++;
    await this.#rotate("kek");
    const held = await insist(this.#world, "custody", (core) => core.custody());
    const old = `v${this.#kek - 1}`;
    if (held?.ok === true && held.value.recordKeys.every(({ kekVersion }) => kekVersion !== old)) this.#retired.add(old);
  }

  /** The same spender under a new epoch, as after a restored backup: it must find nothing open, or wait. */
  async #move(): Promise<void> {
    const { control, scheduler } = this.#world;
    await this.#moveTo({
      epoch: control.state.epoch + 1,
      backend: control.record.backend,
      spender: scheduler.choice.oneIn(2) ? "executor" : null,
    });
  }

  async #moveTo(move: SpenderMove): Promise<void> {
    const { scheduler } = this.#world;
    for (let tries = 0; tries < 5; tries++) {
      const moved = await insist(this.#world, "move the spender", (core) => core.moveSpender(move));
      if (moved?.ok === true || (moved?.ok === false && moved.code === "already_exists")) return;
      await new Promise<void>((resolve) => void scheduler.after(scheduler.choice.delay(60_000), "try the move again", resolve));
    }
  }

  /** A deployment with another backend, noticed after so many ms at most: by mistake, over whatever is open; or in order, when the wallet has been moved to it. */
  async #otherBackend(noticedIn: number): Promise<void> {
    const { control, scheduler } = this.#world;
    const { choice } = scheduler;
    const backend = control.record.backend === "http-executor" ? "spark-wasm" : "http-executor";
    const move: SpenderMove | null = choice.oneIn(3) ? null : { epoch: control.state.epoch + 1, backend, spender: null };
    if (move !== null) await this.#moveTo(move);
    this.#deploy(backend);
    // The same request again, to the deployment that is to take the epoch.
    if (move !== null) await insist(this.#world, "move the spender", (core) => core.moveSpender(move));
    scheduler.after(choice.delay(noticedIn), "the right backend", () => this.rightBackend());
  }

  #deploy(backend: Backend): void {
    this.backend = backend;
    this.#world.object.deploy();
  }

  /** Somebody sees that this deployment pays nothing. What is open belongs to the payer that has it in hand. */
  rightBackend(): void {
    const { books, control, mirror, object } = this.#world;
    // Seen through the checks, so that what the look finds is not lost to them.
    books.check();
    const [wallet] = object.sql.rows<{ readonly backend: Backend }>("SELECT backend FROM wallet WHERE only = 1");
    const right = mirror.open() > 0 && wallet !== undefined ? wallet.backend : control.record.backend;
    if (this.backend !== right) this.#deploy(right);
  }

  async #withdraw(): Promise<void> {
    const { scheduler, seller } = this.#world;
    const { choice } = scheduler;
    const amountMsat = 1 + choice.below(200_000);
    const { bolt11, paymentHash, expiresAt } = seller.invoice(amountMsat);
    const maxFeeMsat = choice.below(5000) as Msat;
    this.withdrawals.set(paymentHash, { amountMsat, maxFeeMsat, expiresAt });
    const withdrawalId = uuid(choice.bytes(16));
    await insist(this.#world, "withdraw", (core) =>
      core.withdraw({ withdrawalId, bolt11, maxFeeMsat, by: "operator", waitMs: choice.delay(60_000) }),
    );
  }

  /** A look at what is not going forwards by itself. */
  async #round(): Promise<void> {
    const { scheduler } = this.#world;
    const { choice } = scheduler;
    const status = await insist(this.#world, "status", (core) => core.status());
    if (status?.ok === true && status.value.state === "paused" && !choice.oneIn(4)) await this.#enable();
    for (let before: number | null = null; ;) {
      const page: Awaited<ReturnType<WalletCore["purchases"]>> | null = await insist(this.#world, "purchases", (core) =>
        core.purchases({ before, limit: 200 }),
      );
      if (page?.ok !== true) return;
      for (const view of page.value.purchases) {
        if (view.state === "paid_unfulfilled" && choice.oneIn(4))
          await insist(this.#world, "write off", (core) => core.writeOff(view.purchaseId));
        if (view.state === "payment_unknown" && (view.code === "preimage_unavailable" || choice.oneIn(6))) await this.#resolve(view);
      }
      before = page.value.next;
      if (before === null) return;
    }
  }

  async #resolve({ purchaseId, paymentHash }: PurchaseView): Promise<void> {
    const { node, seller, scheduler } = this.#world;
    const entry = node.withHash(paymentHash ?? "").at(-1);
    // What is not known to have ended is left alone.
    if (entry === undefined || entry.state === "inflight") return;
    const preimage = scheduler.choice.oneIn(2) ? (seller.preimages.get(entry.paymentHash) ?? null) : null;
    const verdict = entry.state === "settled" ? "paid" : "failed";
    await insist(this.#world, `resolve ${verdict}`, (core) =>
      core.resolve(purchaseId, verdict, "seen in the node's books", verdict === "paid" ? preimage : null),
    );
  }

  /** The cron wakes wallets whose last snapshot had open rows (invariant 4). */
  #cron(): void {
    const { control, object } = this.#world;
    if (control.openRows > 0)
      object.call(
        (core) => core.alarm(),
        () => {},
        () => {},
      );
  }
}

/** RFC 9562 version 4. */
function uuid(bytes: Uint8Array): string {
  const b = Uint8Array.from(bytes);
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(b, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
