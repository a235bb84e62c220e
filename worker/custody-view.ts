/**
 * Which versions of the key-encryption key still wrap something. A version may be retired when nothing is wrapped by it, and that is known
 * only when every wallet has answered: what did not answer is counted as using any of them (invariant 10).
 */
import { ERRORS } from "../lightning/errors.ts";
import type { Result } from "../lightning/wallet-admin.ts";
import type { WalletCustodyView } from "../lightning/wallet-custody.ts";
import type { Door } from "./door.ts";

export interface OneCustody extends WalletCustodyView {
  /** The control plane's: higher than `epoch` where another has taken over. */
  readonly epochOfSpender: number;
  readonly envelope: { readonly kekVersion: string; readonly createdAt: number; readonly backedUpAt: number | null };
  readonly kek: { readonly current: string; readonly configured: readonly string[] };
  readonly inUse: readonly string[];
}

export interface KekUse {
  readonly current: string;
  readonly configured: readonly string[];
  readonly inUse: Readonly<Record<string, { readonly envelopes: number; readonly recordKeys: number }>>;
  /**
   * Configured, not current, and wrapping nothing of this owner's any more; a version may be retired when every owner of the deployment reads
   * so. Empty where it is not certain: a wallet is `unknown`, or this page is not all of them.
   */
  readonly unused: readonly string[];
  /** Wallets that did not answer. */
  readonly unknown: readonly string[];
  /** What to send as `after`; null: these were all. */
  readonly next: string | null;
}

type Seen = Pick<Door, "control" | "wallet" | "keks">;

/** Wallets asked for one answer, and of these at once: two calls each. */
const PAGE = 200;
const AT_ONCE = 6;

export async function walletCustody(door: Seen, owner: string, walletId: string): Promise<Result<OneCustody>> {
  const keks = await door.keks();
  if (!keks.ok) return keks;
  const control = door.control(owner);
  const [own, record, envelope] = await Promise.all([
    door.wallet(owner, walletId).custody(),
    control.wallet(walletId),
    control.envelope(walletId),
  ]);
  if (!own.ok) return own;
  if (record === null || envelope === null) return { ok: false, code: "not_found", detail: ERRORS.not_found.title };
  const { kekVersion, createdAt, backedUpAt = null } = envelope;
  return {
    ok: true,
    value: {
      ...own.value,
      epochOfSpender: record.epoch,
      envelope: { kekVersion, createdAt, backedUpAt },
      kek: { current: keks.value.current, configured: keks.value.versions },
      inUse: [...new Set([kekVersion, ...own.value.recordKeys.map((key) => key.kekVersion)])].toSorted(),
    },
  };
}

/** @param after the last wallet id of the page before */
export async function kekUse(door: Seen, owner: string, after: string | null): Promise<Result<KekUse>> {
  const keks = await door.keks();
  if (!keks.ok) return keks;
  const { current, versions } = keks.value;
  const ids = (await door.control(owner).wallets()).map(({ walletId }) => walletId).toSorted();
  const from = after === null ? 0 : ids.findIndex((id) => id > after);
  const page = from === -1 ? [] : ids.slice(from, from + PAGE);
  const inUse: Record<string, { envelopes: number; recordKeys: number }> = {};
  const unknown: string[] = [];
  const count = (version: string, what: "envelopes" | "recordKeys"): void => {
    const entry = (inUse[version] ??= { envelopes: 0, recordKeys: 0 });
    entry[what] += 1;
  };
  const waiting = [...page];
  const worker = async (): Promise<void> => {
    for (let id = waiting.shift(); id !== undefined; id = waiting.shift()) {
      const one = await walletCustody(door, owner, id).catch(() => null);
      if (one === null || !one.ok) {
        unknown.push(id);
        continue;
      }
      count(one.value.envelope.kekVersion, "envelopes");
      for (const key of one.value.recordKeys) count(key.kekVersion, "recordKeys");
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  const next = from !== -1 && from + PAGE < ids.length ? (page.at(-1) ?? null) : null;
  // A page is a part of the truth: only one that begins at the first wallet and ends at the last can say that something is unused.
  const certain = after === null && next === null && unknown.length === 0;
  return {
    ok: true,
    value: {
      current,
      configured: versions,
      inUse,
      unused: certain ? versions.filter((version) => version !== current && inUse[version] === undefined) : [],
      unknown: unknown.toSorted(),
      next,
    },
  };
}
