/** What the calls of the Wallet core share: its parts, its transaction, its open record key. One per object instance. */
import type { Layer, Switches } from "../../lightning/decide.ts";
import type { SecurityState } from "../../lightning/control-plane.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Credential, FetchLimits, Refusal } from "../../lightning/wallet-api.ts";
import { add, type Msat } from "../../lightning/msat.ts";
import type { ReceiptKind } from "../../lightning/receipt.ts";
import type { Policy } from "../../lightning/policy.ts";
import { migrate } from "../sql.ts";
import { JournalClock } from "./clock.ts";
import { Config, type BudgetRow, type WalletRow } from "./config.ts";
import { Credentials, type CredentialRow } from "./credentials.ts";
import { Flights } from "./flights.ts";
import { Journal, type PaymentRow, type PurchaseRow } from "./journal.ts";
import { Ledger } from "./ledger.ts";
import { maintainSoon } from "./maintain.ts";
import { OpenKeys } from "./open-keys.ts";
import { PAYER_SLOTS, TIMING, type OpenKey, type Timing, type WalletPorts } from "./ports.ts";
import { Receipts } from "./receipts.ts";
import { MIGRATIONS } from "./schema.ts";
import { Security } from "./security.ts";
import { Sellers } from "./sellers.ts";
import { Turnstile } from "./turnstile.ts";

/** Alarms come late, but not by this much, ms. */
const OVERDUE = 60_000;

export class Vault {
  readonly ports: WalletPorts;
  readonly timing: Timing;
  readonly clock: JournalClock;
  readonly config: Config;
  readonly journal: Journal;
  readonly ledger: Ledger;
  readonly credentials: Credentials;
  readonly receipts: Receipts;
  readonly security: Security;
  readonly flights: Flights;
  readonly turnstile: Turnstile;
  readonly sellers: Sellers;
  #created: boolean;
  readonly #keys: OpenKeys;
  #opening: Promise<void> | null = null;
  #moving: Promise<void> | null = null;
  /** The alarm we know to be set, or null when it may be anything. */
  #armed: number | null = null;
  #outboxDue = false;
  #forgets = 0;

  constructor(ports: WalletPorts, timing: Timing = TIMING) {
    this.ports = ports;
    this.timing = timing;
    this.#keys = new OpenKeys(ports);
    this.clock = new JournalClock(() => ports.clock.now());
    this.config = new Config(ports.sql);
    this.journal = new Journal(ports.sql);
    this.ledger = new Ledger(ports.sql);
    this.credentials = new Credentials(ports.sql, ports.sealer);
    this.receipts = new Receipts(ports.sql);
    this.sellers = new Sellers(ports.sql);
    this.security = new Security(ports, timing, (now, before) => {
      if (this.#stops(now) && (before === null || !this.#stops(before))) this.forgetPayer();
      else if (before !== null && this.#stops(before) && !this.#stops(now)) this.transact(() => maintainSoon(this));
    });
    this.turnstile = new Turnstile(ports.clock.turn);
    this.flights = new Flights(ports.clock, PAYER_SLOTS);
    // An object that nobody created stays empty: asking for a wallet that does not exist writes nothing.
    this.#created = ports.sql.rows("SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'wallet'").length > 0;
    if (this.#created) {
      migrate(ports.sql, MIGRATIONS, ports.clock.now());
      this.clock.load(ports.sql);
      this.transact(() => {});
    }
  }

  /** Makes the tables, once. */
  found(): void {
    if (this.#created) return;
    migrate(this.ports.sql, MIGRATIONS, this.ports.clock.now());
    this.#created = true;
  }

  /** Nobody has made a wallet here: whatever is asked, nothing may be written. */
  get isEmpty(): boolean {
    return !this.#created;
  }

  wallet(): WalletRow | null {
    return this.#created ? this.config.wallet() : null;
  }

  /** One atomic block: its rows and the alarm for what they await stand or fall together. */
  transact<T>(body: () => T): T {
    try {
      return this.ports.sql.transaction(() => {
        const result = body();
        this.#arm();
        return result;
      });
    } catch (error) {
      // Rolled back: nothing that was remembered from inside it can be relied on.
      this.disarmed();
      this.config.forget();
      this.receipts.forget();
      throw error;
    }
  }

  /** The alarm has fired, or may have: whatever was set is gone. */
  disarmed(): void {
    this.#armed = null;
    this.#outboxDue = false;
  }

  /** The outbox's job is gone: the next receipt must make it anew. Call in the block that took it away. */
  outboxEmptied(): void {
    this.#outboxDue = false;
  }

  /** After an alarm's run: the next one, but not before `earliest`, so that what cannot be done now does not spin. */
  rearm(earliest: number): void {
    this.disarmed();
    const due = this.journal.nextDue();
    if (due === null) {
      this.ports.alarm.clear();
      return;
    }
    const at = Math.max(due, earliest);
    this.ports.alarm.set(at);
    this.#armed = at;
  }

  #arm(): void {
    // One that should have fired long ago was given up by the platform (after six failures): nothing is set any more.
    if (this.#armed !== null && this.#armed < this.ports.clock.now() - OVERDUE) this.#armed = null;
    const written = this.journal.takeEarliest();
    const due = this.#armed === null ? this.journal.nextDue() : written;
    if (due === null) return;
    const at = Math.max(due, this.ports.clock.now() + 1);
    if (this.#armed !== null && this.#armed <= at) return;
    this.ports.alarm.set(at);
    this.#armed = at;
  }

  /** Opens the record keys, which every block that seals or unseals needs. @returns why nothing can be done, or null */
  async ready(): Promise<Code | null> {
    const wallet = this.wallet();
    if (wallet === null) return "not_found";
    // A former key may be a moment behind the current one, and what it has sealed would pass for unreadable.
    if (this.#opening === null && this.#keys.isCurrent(wallet.record_key_id)) return null;
    // Once more: "disable now" may have taken away what was open while the rest was being opened.
    for (let tries = 0; tries < 2; tries++) {
      await this.openKeys();
      if (this.#keys.isCurrent(this.wallet()?.record_key_id ?? 0)) return null;
    }
    return "envelope_unopenable";
  }

  /** Also former keys that did not open before. */
  async openKeys(): Promise<void> {
    const wallet = this.wallet();
    if (wallet === null) return;
    this.#opening ??= this.#keys.open(wallet).finally(() => {
      this.#opening = null;
    });
    await this.#opening;
  }

  /** The key that seals, or the one that `sealed` names. @throws Error when {@link ready} was not asked first */
  key(sealed: Uint8Array | null = null): OpenKey {
    const key = this.#keys.for(sealed);
    if (key === null) throw new Error("the record key is not open");
    return key;
  }

  openKey(id: number): OpenKey | null {
    return this.#keys.get(id);
  }

  /** After the commit of a rotation. */
  sealWith(key: OpenKey): void {
    this.#keys.sealWith(key);
  }

  forgetFormer(): void {
    this.#keys.forgetFormer();
  }

  /** Overwritten and gone; {@link ready} opens them again for whoever still has to record something. */
  forgetKeys(): void {
    this.#keys.forget();
    this.credentials.forgetOpened();
  }

  /** What a payer in this object holds open leaves its memory; a lookup that is still owed opens it again. Outside a transaction. */
  forgetPayer(): void {
    this.#forgets++;
    try {
      this.ports.payer.forget?.();
    } catch (error) {
      this.ports.log("forget_failed", { error: error instanceof Error ? error.name : "unknown" });
    }
  }

  /** Changes of the spender, and what would let payments begin beside one, each after the other. */
  oneMove<T>(work: () => Promise<T>): Promise<T> {
    const before = this.#moving;
    const mine = before === null ? work() : before.then(work);
    const ended: Promise<void> = mine.then(
      () => undefined,
      () => undefined,
    );
    this.#moving = ended;
    void ended.then(() => {
      if (this.#moving === ended) this.#moving = null;
    });
    return mine;
  }

  /** How often the payer was told to forget: whoever sees another number than before must have it made ready anew. */
  get forgets(): number {
    return this.#forgets;
  }

  /** As far as is known at this instant, the wallet itself or something above it lets no new money go. */
  get isStopped(): boolean {
    const security = this.security.current();
    return this.wallet()?.state !== "active" || (security !== null && this.#stops(security));
  }

  #stops({ globalPause, ownerKillSwitch, epoch }: SecurityState): boolean {
    return globalPause || ownerKillSwitch || epoch > (this.wallet()?.epoch ?? epoch);
  }

  nonce(): Uint8Array {
    return this.ports.random.bytes(12);
  }

  /** The switches at this instant; null when the control plane's part is not known. */
  switches(wallet: WalletRow, budget: BudgetRow | null): Switches | null {
    const security = this.security.current();
    if (security === null) return null;
    return {
      globalPause: security.globalPause,
      ownerKillSwitch: security.ownerKillSwitch,
      wallet: wallet.state,
      budgetDisabled: budget === null || budget.disabled === 1,
      superseded: security.epoch > wallet.epoch,
    };
  }

  policies(wallet: WalletRow, budget: BudgetRow): readonly [wallet: Policy, budget: Policy] | null {
    const walletPolicy = this.config.walletPolicy(wallet);
    const budgetPolicy = this.config.budgetPolicy(budget);
    return walletPolicy === null || budgetPolicy === null ? null : [walletPolicy, budgetPolicy];
  }

  /** The policies a purchase is under; empty where they cannot be read, which allows nothing. */
  policiesOf(row: Pick<PurchaseRow, "budget">): readonly Policy[] {
    const wallet = this.config.wallet();
    const budget = this.config.budgetRow(row.budget);
    return (wallet === null || budget === null ? null : this.policies(wallet, budget)) ?? [];
  }

  limitsFor(row: PurchaseRow): FetchLimits {
    return this.sellers.limits(this.policiesOf(row), row);
  }

  /** Until when a purchase waits for its Worker. @param lease for a seller with the usual deadlines, ms */
  leaseEnd(row: Pick<PurchaseRow, "budget" | "host" | "port">, lease: number): number {
    return this.clock.now() + lease + this.sellers.lateness(this.policiesOf(row), row);
  }

  layers(policies: readonly [Policy, Policy], budget: string): readonly [Layer, Layer] {
    const walletBooks = this.ledger.view(null);
    const budgetBooks = this.ledger.view(budget);
    return [
      { holder: "wallet", policy: policies[0], ledger: walletBooks, host: walletBooks.host },
      { holder: "budget", policy: policies[1], ledger: budgetBooks, host: budgetBooks.host },
    ];
  }

  receipt(
    kind: ReceiptKind,
    row: PurchaseRow,
    code: Code | null,
    about: {
      readonly payment?: PaymentRow | null;
      readonly credential?: CredentialRow | { readonly id: string; readonly payment_hash: string } | null;
      readonly evidence?: string | null;
    } = {},
  ): string {
    const wallet = this.config.wallet();
    if (wallet === null) throw new Error("no wallet");
    const at = this.clock.now();
    const { payment = null, credential = null } = about;
    const cached = kind === "cached";
    const id = this.receipts.write(
      {
        kind,
        purchaseId: row.id,
        walletId: wallet.wallet_id,
        owner: wallet.owner,
        budget: row.budget,
        subject: row.subject,
        method: row.method,
        origin: row.origin,
        path: row.path,
        code,
        amountMsat: cached ? (0 as Msat) : ((payment?.amount_msat ?? null) as Msat | null),
        feeMsat: cached ? (0 as Msat) : ((payment?.fee_msat ?? null) as Msat | null),
        maxFeeMsat: cached ? null : ((payment?.reserve_msat ?? null) as Msat | null),
        paymentHash: payment?.payment_hash ?? credential?.payment_hash ?? null,
        credentialId: credential?.id ?? null,
        binding: payment?.binding ?? null,
        evidence: about.evidence ?? null,
        backend: wallet.backend,
        epoch: wallet.epoch,
        policyVersion: wallet.policy_version,
      },
      at,
    );
    this.outboxSoon();
    return id;
  }

  /** There is something that the control plane does not know yet: a receipt, or an open row. Inside the caller's transaction. */
  outboxSoon(): void {
    if (this.#outboxDue) return;
    const at = this.clock.now();
    if (this.journal.job("outbox") === null) this.journal.schedule("outbox", at + this.timing.outboxDelay);
    if (Number.isFinite(this.timing.keepUnpaid) && this.journal.job("retain") === null)
      this.journal.schedule("retain", at + this.timing.keepUnpaid);
    this.#outboxDue = true;
  }

  /** Ends a purchase without money: one move, one receipt, one answer. */
  refuse(row: PurchaseRow, event: "deny" | "fail", code: Code, detail: string, payment: PaymentRow | null = null): Refusal {
    const ended = this.journal.move(row, event, null, code);
    const receiptId = this.receipt(event === "deny" ? "denied" : "failed", ended, code, { payment });
    return { kind: "refused", code, detail, purchaseId: row.id, receiptId };
  }

  /** Paid for, and nothing to hand out: said so that nobody goes looking for keys that are not lost. */
  unredeemable(row: PurchaseRow, stored: CredentialRow | null): Refusal {
    const [event, code, detail] =
      stored === null
        ? (["fail", "preimage_unavailable", "it was paid, an operator has ended it, and there is no proof to show"] as const)
        : stored.sealed.length === 0
          ? (["fail", "credential_refused", "what it bought has expired and is no longer kept"] as const)
          : (["deny", "envelope_unopenable", "the stored credential cannot be opened"] as const);
    if (row.state === "opened") return this.refuse(row, event, code, detail);
    return { kind: "refused", code, detail, purchaseId: row.id, receiptId: this.receipts.of(row.id).at(-1) ?? null };
  }

  /** Hands a credential to the purchase. A paid one goes by the receipt of its payment, a stored one gets a `cached` receipt. */
  hand(row: PurchaseRow, credential: CredentialRow): Credential | null {
    const authorization = this.credentials.authorization(this.key(credential.sealed), credential);
    if (authorization === null) return null;
    const own = credential.purchase_id === row.id;
    const payment = own ? this.journal.payment(row.id) : null;
    // Handed out before, and the reply was lost: the same receipt stands for it.
    const handed = row.credential_id === credential.id;
    if (!handed) this.journal.useCredential(row.id, credential.id);
    return {
      id: credential.id,
      authorization,
      paymentHash: credential.payment_hash,
      status: own ? "paid" : "cached",
      hasServed: credential.state === "served",
      spentMsat: payment === null ? (0 as Msat) : add(payment.charge_msat as Msat, (payment.fee_msat ?? 0) as Msat),
      receiptId: own || handed ? (this.receipts.of(row.id).at(-1) ?? "") : this.receipt("cached", row, null, { credential }),
    };
  }
}
