/**
 * The SDK's sessions (bearer tokens of the operators and the SSP), sealed in the wallet's database: a cold start then saves eight requests
 * of authentication. The payer reads the SSP's token too, for the one question it asks the SSP itself.
 */
import type { SessionStore } from "@breeztech/breez-sdk-spark/web";
import { openJson, sealJson, type SparkVault } from "./storage-sealed.ts";

/** A session about to end is none: a call that begins with it must be able to end with it. Milliseconds. */
const MARGIN = 30_000;

export interface SparkSessionStore extends SessionStore {
  /** `expiration` in unix seconds: a number in the package's types, but a u64 underneath. */
  setSession(service: string, session: { readonly token: string; readonly expiration: number | bigint }): Promise<void>;
  /** The bearer token held for a service, by its identity public key in hex; null when there is none that still lives. Secret. */
  token(service: string): string | null;
}

/** @param now epoch ms */
export function sparkSessionStore(vault: SparkVault, now: () => number): SparkSessionStore {
  const { sql } = vault;
  const live = (service: string): { token: string; expiration: number } | null => {
    const [row] = sql.rows<{ expires_at: number; sealed: Uint8Array }>(
      "SELECT expires_at, sealed FROM spark_session WHERE service = ?",
      service,
    );
    if (row === undefined || row.expires_at - MARGIN <= now()) return null;
    const token = openJson(vault, "spark_session", [service], row.sealed)?.token;
    return token === undefined ? null : { token, expiration: Math.floor(row.expires_at / 1000) };
  };
  return {
    /** @throws Error "not found": the SDK then authenticates, and stores what it gets */
    async getSession(service) {
      const session = live(service);
      if (session === null) throw new Error("not found");
      return session;
    },
    async setSession(service, session) {
      sql.rows(
        `INSERT INTO spark_session (service, expires_at, sealed) VALUES (?,?,?)
         ON CONFLICT (service) DO UPDATE SET expires_at = excluded.expires_at, sealed = excluded.sealed`,
        service,
        Number(session.expiration) * 1000,
        sealJson(vault, "spark_session", [service], { token: session.token }),
      );
    },
    token(service) {
      return live(service)?.token ?? null;
    },
  };
}
