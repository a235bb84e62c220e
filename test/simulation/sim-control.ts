/**
 * The control plane: switches, the wallet's epoch, its copy of the receipts, the last snapshot. Its faults are outages, answers that
 * come late, and a restored copy that answers with an older version; it does so only to instances that know better, since one that
 * does not cannot tell.
 */
import type { ReceiptRecord, SecurityState, SpenderChange, WalletRecord } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { Backend } from "../../lightning/payer.ts";
import type { Weather } from "./faults.ts";
import { Violation, type Scheduler } from "./scheduler.ts";
import { RECORD } from "./wallet-record.ts";

export class SimControl {
  /** The truth now. */
  state: SecurityState = { version: 1, globalPause: false, ownerKillSwitch: false, epoch: 1 };
  /** Since when a switch has been on (null: none is), and the epoch has been what it is. The scheduler's time. */
  stoppedSince: number | null = null;
  epochSince = 0;
  envelope: Envelope;
  openRows = 0;
  #snapshotAt = 0;
  readonly chain: ReceiptRecord[] = [];
  /** The backend that pays under the epoch of now, and under each before it. */
  readonly #backends = new Map<number, Backend>([[1, RECORD.backend]]);
  readonly #history: SecurityState[] = [];
  readonly #told = new Map<number, number>();
  readonly #scheduler: Scheduler;
  readonly #weather: Weather;

  constructor(scheduler: Scheduler, weather: Weather, envelope: Envelope) {
    this.#scheduler = scheduler;
    this.#weather = weather;
    this.envelope = envelope;
  }

  turn(which: "globalPause" | "ownerKillSwitch", on: boolean): void {
    this.#change({ [which]: on });
    if (!this.state.globalPause && !this.state.ownerKillSwitch) this.stoppedSince = null;
    else this.stoppedSince ??= this.#scheduler.now;
  }

  /** Whoever orders under a lower epoch is this wallet's spender no more. */
  raiseEpoch(epoch: number, backend = this.backendAt(this.state.epoch)): void {
    this.#change({ epoch });
    this.#backends.set(epoch, backend);
    this.epochSince = this.#scheduler.now;
  }

  /** @throws Violation when it happens while payments are open (invariant 13) */
  moveSpender({ epoch, backend, envelope, expected }: SpenderChange, openPayments: number): boolean {
    if (this.state.epoch !== epoch - 1 || this.envelope !== expected) return false;
    if (openPayments > 0) throw this.#broken(`invariant 13: the spender changed while ${openPayments} payments were open`);
    this.envelope = envelope;
    this.raiseEpoch(epoch, backend);
    return true;
  }

  /** An older one, arriving late, replaces nothing. */
  snapshot(at: number, openRows: number): void {
    if (at < this.#snapshotAt) return;
    this.#snapshotAt = at;
    this.openRows = openRows;
  }

  backendAt(epoch: number): Backend {
    return this.#backends.get(epoch) ?? RECORD.backend;
  }

  /** As the control plane has the wallet now. */
  get record(): WalletRecord {
    const { epoch } = this.state;
    return { ...RECORD, epoch, backend: this.backendAt(epoch) };
  }

  #change(part: Partial<SecurityState>): void {
    this.#history.push(this.state);
    this.state = { ...this.state, ...part, version: this.state.version + 1 };
  }

  /** @param generation who asks. @throws Error when it is down */
  security(generation: number): SecurityState {
    if (this.#weather.strikes("staleControl", 12)) throw new Error("the control plane is down");
    const stale = this.#weather.strikes("staleControl", 3);
    const known = this.#told.get(generation) ?? 0;
    return (stale ? this.#history.findLast(({ version }) => version < known) : undefined) ?? this.state;
  }

  /** An answer has reached the instance that asked for it, and in time to be heard. */
  told(generation: number, { version }: SecurityState): void {
    this.#told.set(generation, Math.max(this.#told.get(generation) ?? 0, version));
  }

  /** @returns the last sequence number it holds. @throws Violation when the chain is not what it was */
  ingest(records: readonly ReceiptRecord[]): number {
    for (const record of records) {
      const { sequence } = record.receipt;
      const known = this.chain[sequence - 1];
      if (known !== undefined && known.receiptId !== record.receiptId)
        throw this.#broken("invariant 14: a receipt changed after it had been sent");
      if (sequence !== this.chain.length + 1 && known === undefined)
        throw this.#broken("invariant 14: a receipt is missing from the chain");
      this.chain[sequence - 1] = record;
    }
    return this.chain.length;
  }

  #broken(what: string): Violation {
    const violation = new Violation(what);
    this.#scheduler.fail(violation);
    return violation;
  }
}
