/**
 * What must hold after every step, held against the books of those who were paid: the node's and the sellers', never the wallet's
 * own word alone. Numbers are those of design.md. A dead instance's words count too: whatever left it has left.
 */
import type { PaymentOrder } from "../../lightning/payer.ts";
import { isOpenPayment, isPaid } from "../../lightning/purchase.ts";
import type { FlowAnswer } from "../../worker/flow-types.ts";
import { overfull, type Holder } from "./caps.ts";
import { isPaying, type Paying, type Row } from "./mirror.ts";
import { ONE_SHOT, UNLISTED } from "./policies.ts";
import type { Entry } from "./sim-node.ts";
import { Violation } from "./scheduler.ts";
import type { World } from "./world.ts";

/** Codes that say we do not understand ourselves: no fault of the world may bring them about. */
const NEVER_TOLD: ReadonlySet<string> = new Set(["internal", "invalid_request", "not_found", "forbidden", "unauthorized"]);
const SWITCH_BITES_MS = 5000;
/** The journal's word for how a purchase ended, and the receipts of which one must be there (invariant 14). */
const RECEIPTS: Readonly<Record<string, readonly string[]>> = {
  served_free: ["free"],
  served_cached: ["cached"],
  denied: ["denied"],
  failed: ["failed"],
  cancelled: ["denied", "failed"],
  payment_unknown: ["unknown"],
  paid: ["paid", "late_settlement"],
  fulfilled: ["paid", "late_settlement", "withdrawn", "resolved"],
  paid_unfulfilled: ["unfulfilled", "resolved"],
  written_off: ["written_off"],
  granted: ["granted"],
  rejected: ["rejected"],
  awaiting_approval: ["denied"],
};

export class Books {
  readonly #world: World;
  #lastReserved = 0;
  #lives = -1;
  readonly #seen = new Set<string>();
  readonly #paidUnder = new Map<string, string>();
  /** Receipts that callers were told of: each must be in the chain at the end. */
  readonly told = new Set<string>();

  constructor(world: World) {
    this.#world = world;
  }

  /** The payer has just been called; its order has not left yet. */
  sent(order: PaymentOrder): void {
    const { mirror, house } = this.#world;
    this.#allowed(order);
    const row = mirror.of(order.operationId);
    if (row === null || row.state !== "paying")
      throw this.#broken(`invariant 1: the payer was called for a purchase that is ${row?.state ?? "not in the journal"}`);
    // A withdrawal is an operator's own, under no policy.
    if (row.kind === "withdrawal") return;
    if (house.unreadable) throw this.#broken("invariant 10: an order was made under a policy that cannot be read");
    this.#granted(row);
  }

  /** The payer has just been asked to go on with what it has in hand: money may move, so all that stops an order stops this. */
  resumed(order: PaymentOrder): void {
    this.#allowed(order);
    const row = this.#world.mirror.of(order.operationId);
    if (row === null || (row.state !== "paying" && row.state !== "payment_unknown"))
      throw this.#broken(`invariant 1: a payment was resumed whose purchase is ${row?.state ?? "not in the journal"}`);
    if (row.payment_hash !== order.paymentHash || row.amount_msat !== order.amountMsat || row.reserve_msat !== order.maxFeeMsat)
      throw this.#broken("invariant 7: a payment was resumed as another one than it was");
  }

  /** The payer does its housekeeping, for which it needs the open key. */
  maintained(): void {
    const { house } = this.#world;
    if (house.disabled && !house.isEnabling) throw this.#broken("invariant 11: a disabled wallet's payer does its housekeeping");
  }

  /** Switches, epoch and the wallet's own state let an order leave. */
  #allowed(order: PaymentOrder): void {
    const { control, scheduler, house, seller, object } = this.#world;
    this.check();
    const { now } = scheduler;
    // A clock that is set back makes what the object knows look younger than it is, by five seconds at most.
    const lag = (since: number | null): number => (since === null ? -1 : now - Math.max(since, house.clockSetBackAt));
    if (lag(control.stoppedSince) >= SWITCH_BITES_MS)
      throw this.#broken(`invariant 11: an order was made ${lag(control.stoppedSince)} ms after the switch`);
    if (order.epoch < control.state.epoch && lag(control.epochSince) >= SWITCH_BITES_MS)
      throw this.#broken(
        `invariant 13: an order under epoch ${order.epoch} was made ${lag(control.epochSince)} ms after it was ${control.state.epoch}`,
      );
    if (order.epoch > control.state.epoch) throw this.#broken("invariant 13: an order under an epoch that nobody has given");
    if (house.disabled && !house.isEnabling) throw this.#broken("invariant 11: an order was made by a disabled wallet");
    // By the host's clock: the journal's is never behind it.
    const expiresAt = seller.byHash.get(order.paymentHash)?.expiresAt ?? house.withdrawals.get(order.paymentHash)?.expiresAt ?? Infinity;
    if (expiresAt <= now + object.clockOffset) throw this.#broken("invariant 1: an order was made for an invoice that had expired");
  }

  /** The node has taken an order in hand. */
  accepted(entry: Entry, order: PaymentOrder): void {
    const { node, mirror, house, people } = this.#world;
    this.check();
    const row = mirror.of(entry.operationId);
    if (row === null) throw this.#broken("invariant 1: the node was asked for a payment that is not in the journal");
    if (row.payment_state === "released") throw this.#broken(`invariant 4: the node was asked to pay what the journal calls ${row.state}`);
    if (node.withHash(entry.paymentHash).some((other) => other !== entry && other.state !== "failed"))
      throw this.#broken("invariant 2: a payment hash is paid twice");
    if (row.kind === "withdrawal") {
      const wanted = house.withdrawals.get(entry.paymentHash);
      if (wanted === undefined || wanted.amountMsat !== entry.amountMsat || order.maxFeeMsat > wanted.maxFeeMsat)
        throw this.#broken("invariant 7: a withdrawal of another amount than was asked for");
    } else this.#bought(row, entry, order);
    const grant = row.used_grant === null ? undefined : people.approved.get(row.used_grant);
    if (grant !== undefined) {
      if (grant.usedBy !== null && grant.usedBy !== row.id) throw this.#broken("invariant 18: one approval was used twice");
      grant.usedBy = row.id;
    }
    this.check();
  }

  #bought(row: Paying, entry: Entry, order: PaymentOrder): void {
    const { node, seller, mirror, requests, policies } = this.#world;
    const minted = seller.byHash.get(entry.paymentHash);
    const request = requests.get(row.id);
    if (minted === undefined || request === undefined || minted.amountMsat !== entry.amountMsat)
      throw this.#broken("invariant 7: the order's amount is not the invoice's");
    if (request.unpaying !== null) throw this.#broken(`invariant 2: a payment for a ${request.unpaying}, which pays nothing`);
    const total = entry.amountMsat + order.maxFeeMsat;
    const budget = policies.budgets.get(request.budget);
    const cap = Math.min(
      policies.wallet.perPaymentMsat ?? Infinity,
      request.maxMsat ?? Infinity,
      request.subject === null ? Infinity : (budget?.perSubject?.perPaymentMsat ?? Infinity),
    );
    if (total > cap) throw this.#broken(`invariant 7: ${total} msat are over the caller's, the subject's or the wallet's limit ${cap}`);
    if (minted.unbound) throw this.#broken("invariant 8: the macaroon names another payment hash than the invoice");
    if (minted.opaque && (policies.wallet.opaqueTokens === "deny" || budget?.opaqueTokens === "deny"))
      throw this.#broken("invariant 8: an opaque token was paid for, and policy forbids it");
    if (minted.opaque !== (row.binding === "unverified")) throw this.#broken(`invariant 8: the binding is called ${row.binding}`);
    const once = ONE_SHOT.has(row.origin) || mirror.learnedOnce(row);
    const sharing = mirror.sharing(row);
    if (!once && sharing.some((other) => other.id !== row.id && isOpenPayment(other.state)))
      throw this.#broken("invariant 2: two payments are under way for one origin and scope");
    const pays = (other: Paying): boolean =>
      other.id !== row.id && (node.of(other.operation_id)?.state ?? "failed") !== "failed" && other.payment_state !== "released";
    if (mirror.underKey(row).some(pays)) throw this.#broken("invariant 2: a request that has paid pays again");
    if (mirror.underKey(row).some((other) => other.request_hash !== row.request_hash))
      throw this.#broken("invariant 2: two requests pay under one key");
    if (mirror.payments().some((other) => requests.get(other.id)?.sending === request.sending && pays(other)))
      throw this.#broken("invariant 2: one call pays twice");
    // Bought before for this very scope, still good, and never turned away: there is no reason to buy again.
    if (!once)
      for (const other of sharing)
        if (other.id !== row.id && other.payment_state === "settled")
          this.#stillGood(other, row, minted.scope, new URL(request.url).pathname);
  }

  #stillGood(other: Paying, row: Paying, scope: string, pathname: string): void {
    const before = this.#world.seller.byHash.get(other.payment_hash);
    // Turned away after it had served: the seller's right, and the wallet may buy anew. Turned away without ever serving: never, unless written off.
    if (
      before === undefined ||
      before.scope !== scope ||
      (before.refused && before.served > 0) ||
      // Turned away on this very path, where it never served: the seller's next challenge there is a new quote.
      before.strayed.has(pathname) ||
      // Its owner has given it up, whatever a delivery that was told late made of its state afterwards.
      (other.receipts ?? "").split(",").includes("written_off") ||
      other.credential === null
    )
      return;
    const margin = Math.min(30_000, (before.validUntil - other.reserved_at) / 10) + 60_000;
    // By the journal's clock: that is the only one the wallet has.
    if (before.validUntil - margin > row.reserved_at)
      throw this.#broken(
        before.refused
          ? "invariant 6: bought again, though what was paid for has never served"
          : "invariant 6: bought again, though what was paid for is still good",
      );
  }

  /** Invariant 18: where policy asks a person, a person must have said yes to this very request, and the yes is used up. */
  #granted(row: Paying): void {
    const { policies, requests, people } = this.#world;
    const request = requests.get(row.id);
    if (request === undefined) throw this.#broken("invariant 1: a payment for a request that nobody made");
    const total = row.charge_msat + row.reserve_msat;
    const asks = total >= (policies.budgets.get(row.budget)?.approvalAboveMsat ?? Infinity) || row.origin === UNLISTED;
    if (!asks && row.used_grant === null) return;
    if (row.used_grant === null) throw this.#broken("invariant 18: paid without the approval that policy asks for");
    const grant = people.approved.get(row.used_grant);
    if (grant === undefined) throw this.#broken("invariant 18: paid by an approval that nobody gave");
    const asked = requests.get(grant.purchaseId);
    const same =
      asked !== undefined &&
      asked.url === request.url &&
      asked.method === request.method &&
      asked.budget === request.budget &&
      asked.subject === request.subject;
    if (!same) throw this.#broken("invariant 18: approved for another request");
    if (total > grant.maxMsat) throw this.#broken(`invariant 18: ${total} msat, approved were ${grant.maxMsat}`);
    if (row.reserved_at >= grant.expiresAt) throw this.#broken("invariant 18: the approval had expired");
  }

  answered(answer: FlowAnswer): void {
    const { house, node, mirror } = this.#world;
    if (answer.receiptId !== null) this.told.add(answer.receiptId);
    if (answer.kind === "problem") {
      const broken =
        (answer.code === "envelope_unopenable" && !house.keysWereAway) || (answer.code === "policy_unreadable" && !house.policyWasAway);
      if (NEVER_TOLD.has(answer.code) || broken) throw this.#broken(`a caller was told "${answer.code}": ${answer.detail}`);
      return;
    }
    this.check();
    const row = mirror.rows.get(answer.purchaseId);
    if (row !== undefined && row.request_key !== null) this.#underKey(row, answer.status);
    if (answer.status !== "paid" && answer.status !== "paid_unfulfilled") return;
    const entry = row !== undefined && isPaying(row) ? node.of(row.operation_id) : undefined;
    if (row === undefined || entry?.state !== "settled")
      throw this.#broken(`invariant 5: a caller was told "${answer.status}", and the node has not settled`);
    // Where an operator ended it, nobody may have known the fee.
    if (row.receipts?.includes("resolved") !== true && answer.spentMsat !== entry.amountMsat + entry.feeMsat)
      throw this.#broken(`invariant 14: a caller was told of ${answer.spentMsat} msat, and ${entry.amountMsat + entry.feeMsat} have gone`);
  }

  /** A key that has paid is bound to its request for ever: whatever else comes under it is a conflict. */
  #underKey({ budget, request_key, request_hash }: Row, status: string): void {
    const name = `key ${budget} ${request_key}`;
    const bound = this.#paidUnder.get(name);
    if (bound !== undefined && bound !== request_hash)
      throw this.#broken("invariant 2: another request was answered under a key that has paid");
    if (status === "paid") this.#paidUnder.set(name, request_hash);
  }

  /** After every step that changed the journal or the node. */
  check(): void {
    const { node, mirror, object } = this.#world;
    const rows = mirror.refresh();
    for (const row of rows) this.#row(row);
    this.#dated(rows);
    for (const entry of node.changed) {
      const row = mirror.of(entry.operationId);
      if (row === null) throw this.#broken("invariant 1: the node knows a payment that the journal does not");
      this.#held(row, entry);
    }
    node.changed.clear();
    if (rows.some((row) => row.payment_state === "open")) {
      const fault = overfull(this.#holders(), mirror.payments());
      if (fault !== null) throw this.#broken(fault);
    }
    this.#watched();
    // Every open row has its alarm, unless the platform has lost it.
    const { open, handling, durableAlarm, lost } = object.sql;
    if (rows.length > 0 && !open && !handling && durableAlarm === null && !lost && rows.some(({ due_at }) => due_at !== null))
      throw this.#broken("invariant 4: something is due and no alarm is set");
  }

  /** The cron knows of every order that has left, or is going to be told. A clock that was set back makes a new snapshot look old. */
  #watched(): void {
    const { control, house, mirror, object } = this.#world;
    if (control.openRows > 0 || house.clockSetBackAt > 0 || object.sql.open) return;
    if (!mirror.payments().some(({ state }) => state === "paying" || state === "payment_unknown")) return;
    if (object.sql.rows("SELECT 1 FROM due WHERE job = 'outbox'").length === 0)
      throw this.#broken("invariant 4: an order is out, and the cron does not know and will not be told");
  }

  #row(row: Row): void {
    const { node, seller } = this.#world;
    const wanted = RECEIPTS[row.state];
    if (wanted !== undefined && !wanted.some((kind) => row.receipts?.split(",").includes(kind) === true))
      throw this.#broken(`invariant 14: ${row.state}, and its receipts are ${row.receipts ?? "none"}`);
    if (row.state === "fulfilled" && /(?:unfulfilled|written_off)$/u.test(row.receipts ?? ""))
      throw this.#broken(`invariant 14: fulfilled, and its last receipt says otherwise: ${row.receipts ?? ""}`);
    if (isPaid(row.state) !== (row.payment_state === "settled"))
      throw this.#broken(`invariant 3: money is ${row.payment_state ?? "not set aside"} while the purchase is ${row.state}`);
    if (!isPaying(row)) return;
    if ((row.payment_state === "open") !== isOpenPayment(row.state))
      throw this.#broken(`invariant 3: money is ${row.payment_state} while the purchase is ${row.state}`);
    const entry = node.of(row.operation_id);
    if (entry !== undefined) this.#held(row, entry);
    if (row.receipts?.includes("late_settlement") === true) this.#stands(row, "invariant 4: a late settlement pauses nothing");
    if ((row.fee_msat ?? 0) > row.reserve_msat) this.#stands(row, "invariant 3: a fee above its reserve pauses nothing");
    if (row.state === "fulfilled" && row.kind === "purchase" && seller.byHash.get(row.payment_hash)?.served === 0)
      throw this.#broken("invariant 6: called fulfilled, and the seller has never served it");
    if (!isPaid(row.state)) return;
    if (entry?.state !== "settled") throw this.#broken("invariant 5: called paid, and the node has not settled");
    if (row.kind === "purchase" && row.credential === null && row.receipts?.includes("resolved") !== true)
      throw this.#broken("invariant 6: paid, and no credential is stored");
  }

  /** Money that moved as it should not: the wallet stands still until somebody has looked. */
  #stands(row: Row, what: string): void {
    const { object, house } = this.#world;
    if (this.#seen.has(`${what} ${row.id}`)) return;
    this.#seen.add(`${what} ${row.id}`);
    const [wallet] = object.sql.rows<{ readonly state: string }>("SELECT state FROM wallet WHERE only = 1");
    if (wallet?.state === "active" && !house.isEnabling) throw this.#broken(what);
  }

  /** The journal's time never runs backwards, whatever the host's clock does; a crash may undo the last reservation. */
  #dated(rows: readonly Row[]): void {
    const { object, mirror } = this.#world;
    // Several seen at once were made in an order that no row tells: taken as they are dated, and held against all before them.
    const fresh = rows
      .filter((row): row is Paying => isPaying(row) && !this.#seen.has(`${row.id} ${row.reserved_at}`))
      .toSorted((a, b) => a.reserved_at - b.reserved_at);
    if (fresh.length === 0) return;
    // By its date too: what a crash undid may be reserved once more.
    for (const { id, reserved_at } of fresh) this.#seen.add(`${id} ${reserved_at}`);
    if (this.#lives !== object.crashes) {
      this.#lives = object.crashes;
      this.#lastReserved = 0;
      for (const { id, reserved_at } of mirror.payments())
        if (fresh.every((row) => row.id !== id)) this.#lastReserved = Math.max(this.#lastReserved, reserved_at);
    }
    const before = this.#lastReserved;
    for (const { reserved_at } of fresh) {
      if (reserved_at < before) throw this.#broken("invariant 3: a reservation is dated before an earlier one");
      this.#lastReserved = Math.max(this.#lastReserved, reserved_at);
    }
  }

  #held(row: Paying, entry: Entry): void {
    if (row.payment_state !== "released" || entry.state === "failed") return;
    if (!entry.denied) throw this.#broken(`invariant 4: called ${row.state}, and the node has it ${entry.state}`);
  }

  #holders(): readonly Holder[] {
    const { policies, requests, subjects } = this.#world;
    const holders: Holder[] = [{ name: "wallet", caps: policies.wallet, holds: () => true }];
    for (const { host, ...caps } of policies.wallet.perHost ?? [])
      holders.push({ name: `wallet@${host}`, caps, holds: (row) => row.origin === `https://${host}` });
    for (const [budget, caps] of policies.budgets) {
      holders.push({ name: budget, caps, holds: (row) => row.budget === budget });
      for (const { host, ...rest } of caps.perHost ?? [])
        holders.push({ name: `${budget}@${host}`, caps: rest, holds: (row) => row.budget === budget && row.origin === `https://${host}` });
      const { perSubject } = caps;
      if (perSubject !== undefined)
        for (const subject of subjects)
          holders.push({
            name: `${budget}/${subject}`,
            caps: perSubject,
            holds: (row) => row.budget === budget && requests.get(row.id)?.subject === subject,
          });
    }
    return holders;
  }

  #broken(what: string): Violation {
    const violation = new Violation(what);
    this.#world.scheduler.fail(violation);
    return violation;
  }
}
