/** An owner's wallets: their records, their envelopes and what they last said of themselves. */
import type { KnownStatus, SpenderChange, WalletRecord, WalletRequest, WalletSnapshot } from "../../lightning/control-plane.ts";
import { isEnvelope, type Envelope } from "../../lightning/envelope.ts";
import type { Sql } from "../sql.ts";

type Row = Omit<WalletRecord, "owner">;

const COLUMNS = "wallet_id AS walletId, label, network, backend, epoch, wallet_source AS walletSource, created_at AS createdAt";

export class Wallets {
  readonly #sql: Sql;
  readonly #owner: string;

  constructor(sql: Sql, owner: string) {
    this.#sql = sql;
    this.#owner = owner;
  }

  /**
   * The first record and envelope of an id stay: asked again, this answers with what it holds, and so does a request that has made
   * a wallet before. Call inside a transaction.
   * @throws TypeError when record or envelope belong to another owner, or not to each other
   */
  create(
    record: WalletRecord,
    envelope: Envelope,
    request: WalletRequest | null,
  ): { readonly created: boolean; readonly record: WalletRecord; readonly conflict?: boolean } {
    if (record.owner !== this.#owner) throw new TypeError("the wallet belongs to another owner");
    if (!isEnvelope(envelope)) throw new TypeError("this is no envelope");
    const same = envelope.walletId === record.walletId && envelope.owner === record.owner && envelope.network === record.network;
    if (!same) throw new TypeError("the envelope belongs to another wallet");
    const before = request === null ? null : this.#requested(request.key);
    if (before !== null)
      return { created: false, record: this.get(before.walletId), ...(before.hash === request?.hash ? {} : { conflict: true }) };
    const held = this.find(record.walletId);
    if (held !== null) return { created: false, record: held };
    this.#sql.rows(
      "INSERT INTO wallet (wallet_id, label, network, backend, epoch, wallet_source, created_at, request_key, request_hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
      record.walletId,
      record.label,
      record.network,
      record.backend,
      record.epoch,
      record.walletSource,
      record.createdAt,
      request?.key ?? null,
      request?.hash ?? null,
    );
    this.#sql.rows(
      "INSERT INTO envelope (wallet_id, kek_version, document) VALUES (?, ?, ?)",
      record.walletId,
      envelope.kekVersion,
      JSON.stringify(envelope),
    );
    return { created: true, record: this.get(record.walletId) };
  }

  #requested(key: string): { readonly walletId: string; readonly hash: string } | null {
    return (
      this.#sql.rows<{ walletId: string; hash: string }>(
        "SELECT wallet_id AS walletId, request_hash AS hash FROM wallet WHERE request_key = ?",
        key,
      )[0] ?? null
    );
  }

  find(walletId: string): WalletRecord | null {
    const row = this.#sql.rows<Row>(`SELECT ${COLUMNS} FROM wallet WHERE wallet_id = ?`, walletId)[0];
    return row === undefined ? null : { ...row, owner: this.#owner };
  }

  /** @throws Error for a wallet that is not this owner's: whoever asks about it must fail closed */
  get(walletId: string): WalletRecord {
    const wallet = this.find(walletId);
    if (wallet === null) throw new Error("this owner has no such wallet");
    return wallet;
  }

  all(): readonly WalletRecord[] {
    return this.#sql
      .rows<Row>(`SELECT ${COLUMNS} FROM wallet ORDER BY created_at, wallet_id`)
      .map((row) => ({ ...row, owner: this.#owner }));
  }

  /** @throws Error when what is stored cannot be read as an envelope any more */
  envelope(walletId: string): Envelope | null {
    const row = this.#sql.rows<{ document: string }>("SELECT document FROM envelope WHERE wallet_id = ?", walletId)[0];
    if (row === undefined) return null;
    const envelope: unknown = JSON.parse(row.document);
    if (!isEnvelope(envelope)) throw new Error("the stored envelope cannot be read");
    return envelope;
  }

  /**
   * Compare-and-set: on the whole envelope, so that two rotations at once cannot undo each other. Call inside a transaction.
   * @throws TypeError for an envelope of another wallet, owner or network than the one it is to replace
   */
  putEnvelope(next: Envelope, expected: Envelope): boolean {
    const held = this.get(next.walletId);
    if (!isEnvelope(next)) throw new TypeError("this is no envelope");
    if (next.owner !== held.owner || next.network !== held.network) throw new TypeError("the envelope belongs to another wallet");
    const stored = this.envelope(next.walletId);
    if (stored === null || !sameEnvelope(stored, expected)) return false;
    this.#sql.rows(
      "UPDATE envelope SET kek_version = ?, document = ? WHERE wallet_id = ?",
      next.kekVersion,
      JSON.stringify(next),
      next.walletId,
    );
    return true;
  }

  /** Call inside a transaction. */
  moveSpender({ epoch, backend, envelope, expected }: SpenderChange): { readonly moved: boolean; readonly record: WalletRecord } {
    const held = this.get(envelope.walletId);
    if (held.epoch !== epoch - 1 || !this.putEnvelope(envelope, expected)) return { moved: false, record: held };
    this.#sql.rows("UPDATE wallet SET epoch = ?, backend = ? WHERE wallet_id = ?", epoch, backend, held.walletId);
    return { moved: true, record: this.get(held.walletId) };
  }

  /** @returns false when it was as high already */
  raiseEpoch(walletId: string, epoch: number): boolean {
    this.get(walletId);
    return (
      this.#sql.rows("UPDATE wallet SET epoch = ? WHERE wallet_id = ? AND epoch < ? RETURNING epoch", epoch, walletId, epoch).length === 1
    );
  }

  /** An older snapshot, arriving late, does not replace a newer one. */
  putSnapshot(snapshot: WalletSnapshot): void {
    this.get(snapshot.walletId);
    this.#sql.rows(
      `INSERT INTO snapshot (wallet_id, at, status, open_rows) VALUES (?, ?, ?, ?)
       ON CONFLICT (wallet_id) DO UPDATE SET at = excluded.at, status = excluded.status, open_rows = excluded.open_rows WHERE excluded.at >= snapshot.at`,
      snapshot.walletId,
      snapshot.at,
      JSON.stringify(snapshot.status),
      snapshot.openRows,
    );
    if (snapshot.status !== null) this.keepStatus(snapshot.walletId, { at: snapshot.at, status: snapshot.status });
  }

  /** What a payer that is away cannot say replaces nothing: people want the last balance that was known. */
  keepStatus(walletId: string, { at, status }: KnownStatus): void {
    this.get(walletId);
    if (status.spendableMsat === null) return;
    this.#sql.rows(
      "UPDATE wallet SET known_at = ?, known_status = ? WHERE wallet_id = ? AND COALESCE(known_at, -1) <= ?",
      at,
      JSON.stringify(status),
      walletId,
      at,
    );
  }

  lastStatus(walletId: string): KnownStatus | null {
    const row = this.#sql.rows<{ at: number | null; status: string | null }>(
      "SELECT known_at AS at, known_status AS status FROM wallet WHERE wallet_id = ?",
      walletId,
    )[0];
    // Written by us, from a value of this type.
    return row === undefined || row.at === null || row.status === null
      ? null
      : { at: row.at, status: JSON.parse(row.status) as KnownStatus["status"] };
  }

  snapshot(walletId: string): WalletSnapshot | null {
    const row = this.#sql.rows<{ at: number; status: string; open_rows: number }>(
      "SELECT at, status, open_rows FROM snapshot WHERE wallet_id = ?",
      walletId,
    )[0];
    // Written by us, from a value of this type.
    return row === undefined
      ? null
      : { walletId, at: row.at, status: JSON.parse(row.status) as WalletSnapshot["status"], openRows: row.open_rows };
  }

  withOpenRows(): readonly string[] {
    return this.#sql
      .rows<{ wallet_id: string }>("SELECT wallet_id FROM snapshot WHERE open_rows > 0 ORDER BY wallet_id")
      .map((row) => row.wallet_id);
  }
}

/** Member by member: what came over RPC may have another order. */
const sameEnvelope = (a: Envelope, b: Envelope): boolean =>
  a.kekVersion === b.kekVersion && a.wrappedDataKey === b.wrappedDataKey && a.nonce === b.nonce && a.ciphertext === b.ciphertext;
