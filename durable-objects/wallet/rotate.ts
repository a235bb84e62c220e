/**
 * Rotation without downtime (design, Custody). Each step replaces the only copy of a key, so each makes the new copy first, reads it back,
 * and puts it in place by compare-and-set: a crash between any two steps leaves the old copy or the new one, and both open.
 */
import { equalBytes, type Envelope, type EnvelopeBinding, type Opened } from "../../lightning/envelope.ts";
import type { Network } from "../../lightning/bolt11.ts";
import { KEY_LENGTH, MAX_KEY_ID } from "../../lightning/seal.ts";
import type { Result } from "../../lightning/wallet-admin.ts";
import type { Rotation, WalletCustodyView } from "../../lightning/wallet-custody.ts";
import type { WalletRow } from "./config.ts";
import type { CustodyPorts } from "./ports.ts";
import { heldKeys, progress, replaceKey, rewrapHeld, type HeldKey } from "./record-keys.ts";
import { JOB } from "./reseal.ts";
import type { Vault } from "./vault.ts";

const no = (
  code: "not_found" | "envelope_unopenable" | "control_plane_unavailable" | "not_supported" | "invalid_request" | "already_exists",
  detail: string,
): { readonly ok: false; readonly code: typeof code; readonly detail: string } => ({ ok: false, code, detail });
/** Rotations of the record key whose rows are not all sealed anew: beyond this many the next one waits. */
const MOST_FORMER = 8;
/** Compare-and-set lost to somebody else: read again, at most this often. */
const ATTEMPTS = 3;

export function custody(vault: Vault): Result<WalletCustodyView> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  const left = progress(vault.ports.sql);
  return {
    ok: true,
    value: {
      walletId: wallet.wallet_id,
      backend: wallet.backend,
      epoch: wallet.epoch,
      recordKeys: heldKeys(vault.ports.sql, wallet).map(({ id, kekVersion, current }) => ({
        id,
        kekVersion,
        state: current ? ("current" as const) : ("former" as const),
      })),
      resealing: left !== null,
      unreadableRows: left?.unreadable ?? 0,
    },
  };
}

export async function rotate(vault: Vault, what: Rotation): Promise<Result<WalletCustodyView>> {
  const notReady = await vault.ready();
  if (notReady === "not_found") return no("not_found", "no such wallet");
  if (notReady !== null) return no("envelope_unopenable", "the record key cannot be opened");
  const done = await turn(vault, what);
  // What the payer has opened with the former keys goes, even if only a part of them could be replaced.
  vault.forgetPayer();
  return done.ok ? custody(vault) : done;
}

async function turn(vault: Vault, what: Rotation): Promise<Result<null>> {
  const { custody: ports } = vault.ports;
  if (ports === undefined) return no("not_supported", "there is nothing here that could wrap a key");
  switch (what) {
    case "kek": {
      const keys = await rewrapRecordKeys(vault);
      return keys.ok ? replaceEnvelope(vault, ports, (envelope, binding) => ports.rewrap(envelope, binding)) : keys;
    }
    case "data-key":
      return replaceEnvelope(vault, ports, (envelope, binding) => ports.reencrypt(envelope, binding));
    case "record-key":
      return newRecordKey(vault);
  }
}

/** Former keys are needed until the last row is sealed anew, so they are wrapped again as well. */
async function rewrapRecordKeys(vault: Vault): Promise<Result<null>> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  await vault.openKeys();
  for (const held of heldKeys(vault.ports.sql, wallet)) {
    const open = vault.openKey(held.id);
    if (open === null)
      return no("envelope_unopenable", `record key ${held.id} cannot be opened with the key-encryption keys that are configured`);
    const next = await wrapped(vault, wallet, open.bytes);
    if (!next.ok) return next;
    // Unchanged if it is the current version's already, if a twin has been faster, or if the key has gone meanwhile: all of that is well.
    if (next.value.kekVersion !== held.kekVersion)
      vault.transact(() => {
        vault.config.forget();
        rewrapHeld(vault.ports.sql, held, next.value);
      });
  }
  return { ok: true, value: null };
}

async function newRecordKey(vault: Vault): Promise<Result<null>> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  const held = heldKeys(vault.ports.sql, wallet);
  const before: HeldKey | undefined = held[0];
  if (before === undefined || held.length > MOST_FORMER)
    return no("invalid_request", "earlier rotations are still sealing rows anew: wait for the alarm");
  const id = Math.max(...held.map((key) => key.id)) + 1;
  if (id > MAX_KEY_ID) return no("invalid_request", "this wallet has had as many record keys as rows can name");
  const bytes = vault.ports.random.bytes(KEY_LENGTH);
  const next = await wrapped(vault, wallet, bytes);
  if (!next.ok) return next;
  const replaced = vault.transact(() => {
    vault.config.forget();
    const done = replaceKey(vault.ports.sql, before, { id, ...next.value }, vault.clock.now());
    if (done) vault.journal.schedule(JOB, vault.clock.now());
    return done;
  });
  if (!replaced) {
    bytes.fill(0);
    return no("already_exists", "another rotation has just replaced this wallet's record key");
  }
  vault.sealWith({ id, bytes });
  return { ok: true, value: null };
}

/** Wraps a copy, for the open key may be overwritten while we wait, and reads it back: what is stored next must open. */
async function wrapped(
  vault: Vault,
  wallet: WalletRow,
  bytes: Uint8Array,
): Promise<Result<{ readonly kekVersion: string; readonly wrapped: Uint8Array }>> {
  const { keys } = vault.ports;
  const name = `${wallet.owner}/${wallet.wallet_id}`;
  const copy = Uint8Array.from(bytes);
  try {
    const next = await keys.wrap(copy, name);
    const again = await keys.unwrap(next.kekVersion, next.wrapped, name);
    const same = again !== null && equalBytes(again, copy) && !copy.every((byte) => byte === 0);
    again?.fill(0);
    return same ? { ok: true, value: next } : no("envelope_unopenable", "the record key was wrapped and does not unwrap");
  } catch {
    return no("envelope_unopenable", "the record key cannot be wrapped: check the key-encryption keys");
  } finally {
    copy.fill(0);
  }
}

/** Reads the envelope, makes another of it and puts it in its place; somebody else's change in between is not undone but built upon. */
async function replaceEnvelope(
  vault: Vault,
  ports: CustodyPorts,
  make: (envelope: Envelope, binding: EnvelopeBinding) => Promise<Opened<Envelope>>,
): Promise<Result<null>> {
  const wallet = vault.wallet();
  if (wallet === null) return no("not_found", "no such wallet");
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const envelope = await asked(vault, () => ports.envelope(wallet.wallet_id));
    if (envelope === UNANSWERED) return no("control_plane_unavailable", "the control plane did not answer");
    if (envelope === null) return no("not_found", "the control plane holds no envelope of this wallet");
    const next = await make(envelope, bindingOf(wallet));
    if (!next.ok) return next;
    const stored = next.value === envelope ? true : await asked(vault, () => ports.putEnvelope(next.value, envelope));
    if (stored === UNANSWERED)
      return no("control_plane_unavailable", "the control plane did not answer: send it again, nothing is lost either way");
    if (stored) return { ok: true, value: null };
  }
  return no("already_exists", "other rotations keep replacing this wallet's envelope");
}

/** The wallet's own knowledge of whose envelope it must be; never the envelope's word. */
export function bindingOf(wallet: WalletRow): EnvelopeBinding {
  return { walletId: wallet.wallet_id, owner: wallet.owner, network: wallet.network as Network };
}

export const UNANSWERED: unique symbol = Symbol("unanswered");

/** The control plane's answer in time, or {@link UNANSWERED}: it may have done what it was asked. */
export async function asked<T>(vault: Vault, call: () => Promise<T>): Promise<T | typeof UNANSWERED> {
  const timer = vault.ports.clock.timer(vault.timing.controlDeadline);
  try {
    return await Promise.race([call(), timer.done.then((): typeof UNANSWERED => UNANSWERED)]);
  } catch {
    return UNANSWERED;
  } finally {
    timer.cancel();
  }
}
