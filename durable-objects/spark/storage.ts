/**
 * The Spark SDK's storage on the object's own SQLite, so that what the SDK knows survives an eviction together with the journal. The 30
 * methods are those of `Storage` in 0.19.2. Each is async because the wasm needs a native promise, and none awaits: a call is one turn, and
 * its writes commit together. Errors carry no data: their text ends in the SDK's own errors and so in ours.
 */
import type { Contact, DepositInfo, Storage, StoredCrossChainSwap } from "@breeztech/breez-sdk-spark/web";
import { compact, digest, mustOpenJson, openJson, sealJson, type SparkVault } from "./storage-sealed.ts";
import { NO_LIMIT, paymentStorage } from "./storage-payments.ts";
import type { RuntimeStorage } from "./storage-runtime.ts";
import type { StoredDeposit } from "./storage-shapes.ts";
import { syncStorage } from "./storage-sync.ts";

export type { SparkVault } from "./storage-sealed.ts";

interface DepositRow {
  readonly txid: string;
  readonly vout: number;
  readonly is_mature: number;
  readonly sealed: Uint8Array;
}
interface SwapRow {
  readonly provider: string;
  readonly id: string;
  readonly is_terminal: number;
  readonly updated_at: number;
  readonly sealed: Uint8Array;
}

/** @param now epoch ms */
export function sparkStorage(vault: SparkVault, now: () => number): Storage {
  const storage: RuntimeStorage = {
    ...cacheStorage(vault),
    ...paymentStorage(vault),
    ...depositStorage(vault),
    ...contactStorage(vault),
    ...swapStorage(vault),
    ...syncStorage(vault, now),
  };
  // The package's types are wrong where RuntimeStorage differs from them.
  return storage as unknown as Storage;
}

/** Keys name token, transaction and payment identifiers, so they are stored by their hash alone. */
function cacheStorage(vault: SparkVault): Pick<RuntimeStorage, "getCachedItem" | "setCachedItem" | "deleteCachedItem"> {
  const { sql } = vault;
  return {
    /** What does not open is as good as absent here: a cache is filled again from the network. */
    async getCachedItem(key) {
      const name = digest(key);
      const [row] = sql.rows<{ sealed: Uint8Array }>("SELECT sealed FROM spark_cache WHERE key_sha256 = ?", name);
      return row === undefined ? null : (openJson(vault, "spark_cache", [name], row.sealed)?.value ?? null);
    },
    async setCachedItem(key, value) {
      const name = digest(key);
      sql.rows(
        "INSERT INTO spark_cache (key_sha256, sealed) VALUES (?, ?) ON CONFLICT (key_sha256) DO UPDATE SET sealed = excluded.sealed",
        name,
        sealJson(vault, "spark_cache", [name], { value }),
      );
    },
    async deleteCachedItem(key) {
      sql.rows("DELETE FROM spark_cache WHERE key_sha256 = ?", digest(key));
    },
  };
}

function depositStorage(vault: SparkVault): Pick<RuntimeStorage, "addDeposit" | "deleteDeposit" | "listDeposits" | "updateDeposit"> {
  const { sql } = vault;
  const stored = (row: DepositRow): StoredDeposit => mustOpenJson(vault, "spark_deposit", [row.txid, row.vout], row.sealed);
  const find = (txid: string, vout: number): DepositRow | undefined =>
    sql.rows<DepositRow>("SELECT txid, vout, is_mature, sealed FROM spark_deposit WHERE txid = ? AND vout = ?", txid, vout)[0];
  const put = (txid: string, vout: number, isMature: number, deposit: StoredDeposit): void => {
    sql.rows(
      `INSERT INTO spark_deposit (txid, vout, is_mature, sealed) VALUES (?,?,?,?)
       ON CONFLICT (txid, vout) DO UPDATE SET is_mature = excluded.is_mature, sealed = excluded.sealed`,
      txid,
      vout,
      isMature,
      sealJson(vault, "spark_deposit", [txid, vout], deposit),
    );
  };
  return {
    async addDeposit(txid, vout, amountSats, isMature) {
      sql.transaction(() => {
        const row = find(txid, vout);
        const before = row === undefined ? { claimError: null, refundTx: null, refundTxId: null } : stored(row);
        put(txid, vout, isMature ? 1 : 0, { ...before, amountSats: Number(amountSats) });
      });
    },
    async deleteDeposit(txid, vout) {
      sql.rows("DELETE FROM spark_deposit WHERE txid = ? AND vout = ?", txid, vout);
    },
    async listDeposits() {
      return sql
        .rows<DepositRow>("SELECT txid, vout, is_mature, sealed FROM spark_deposit ORDER BY seq")
        .map((row) => compact<DepositInfo>({ txid: row.txid, vout: row.vout, isMature: row.is_mature === 1, ...stored(row) }));
    },
    /** One that is not there is left alone. A claim error and a refund exclude each other. */
    async updateDeposit(txid, vout, payload) {
      sql.transaction(() => {
        const row = find(txid, vout);
        if (row === undefined) return;
        const { amountSats } = stored(row);
        switch (payload.type) {
          case "claimError":
            put(txid, vout, row.is_mature, { amountSats, claimError: payload.error, refundTx: null, refundTxId: null });
            return;
          case "refund":
            put(txid, vout, row.is_mature, { amountSats, claimError: null, refundTx: payload.refundTx, refundTxId: payload.refundTxid });
            return;
        }
      });
    },
  };
}

function contactStorage(vault: SparkVault): Pick<RuntimeStorage, "listContacts" | "getContact" | "insertContact" | "deleteContact"> {
  const { sql } = vault;
  const read = (row: { readonly id: string; readonly sealed: Uint8Array }): Contact =>
    mustOpenJson(vault, "spark_contact", [row.id], row.sealed);
  const find = (id: string): Contact | null => {
    const [row] = sql.rows<{ id: string; sealed: Uint8Array }>("SELECT id, sealed FROM spark_contact WHERE id = ?", id);
    return row === undefined ? null : read(row);
  };
  return {
    /** By name, in the order of their UTF-8 bytes: names are sealed, so the database cannot sort them. */
    async listContacts(request) {
      const offset = request.offset ?? 0;
      return sql
        .rows<{ id: string; sealed: Uint8Array }>("SELECT id, sealed FROM spark_contact ORDER BY seq")
        .map(read)
        .sort((one, other) => compareUtf8(one.name, other.name))
        .slice(offset, offset + (request.limit ?? NO_LIMIT));
    },
    async getContact(id) {
      return find(id);
    },
    async insertContact({ id, name, paymentIdentifier, createdAt, updatedAt }) {
      sql.transaction(() => {
        const contact: Contact = { id, name, paymentIdentifier, createdAt: find(id)?.createdAt ?? createdAt, updatedAt };
        sql.rows(
          "INSERT INTO spark_contact (id, sealed) VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET sealed = excluded.sealed",
          id,
          sealJson(vault, "spark_contact", [id], contact),
        );
      });
    },
    async deleteContact(id) {
      sql.rows("DELETE FROM spark_contact WHERE id = ?", id);
    },
  };
}

/** Code points sort as their UTF-8 does; UTF-16 units do not. */
function compareUtf8(one: string, other: string): number {
  const [a, b] = [Array.from(one), Array.from(other)];
  for (let at = 0; at < a.length && at < b.length; at++) {
    const difference = (a[at]?.codePointAt(0) ?? 0) - (b[at]?.codePointAt(0) ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

function swapStorage(vault: SparkVault): Pick<RuntimeStorage, "setCrossChainSwap" | "getCrossChainSwap" | "listActiveCrossChainSwaps"> {
  const { sql } = vault;
  const read = (row: SwapRow): StoredCrossChainSwap => ({
    provider: row.provider,
    id: row.id,
    isTerminal: row.is_terminal === 1,
    updatedAt: row.updated_at,
    ...mustOpenJson(vault, "spark_cross_chain_swap", [row.provider, row.id], row.sealed),
  });
  const columns = "provider, id, is_terminal, updated_at, sealed";
  return {
    async setCrossChainSwap({ provider, id, isTerminal, updatedAt, data, secrets }) {
      sql.rows(
        `INSERT INTO spark_cross_chain_swap (${columns}) VALUES (?,?,?,?,?)
         ON CONFLICT (provider, id) DO UPDATE SET is_terminal = excluded.is_terminal, updated_at = excluded.updated_at, sealed = excluded.sealed`,
        provider,
        id,
        isTerminal ? 1 : 0,
        updatedAt,
        sealJson(vault, "spark_cross_chain_swap", [provider, id], { data, secrets }),
      );
    },
    async getCrossChainSwap(provider, id) {
      const [row] = sql.rows<SwapRow>(`SELECT ${columns} FROM spark_cross_chain_swap WHERE provider = ? AND id = ?`, provider, id);
      return row === undefined ? null : read(row);
    },
    async listActiveCrossChainSwaps(provider) {
      return sql
        .rows<SwapRow>(`SELECT ${columns} FROM spark_cross_chain_swap WHERE provider = ? AND is_terminal = 0 ORDER BY seq`, provider)
        .map(read);
    },
  };
}
