/**
 * Who calls (invariant 17). A principal comes from a key, or from a binding's props (service.ts), and from nothing else: no path,
 * argument or other header can name an owner, and an agent's wallet is the one its key names. The name of the Wallet object is made
 * here from the principal, so that another owner's wallet id leads to an object of one's own that is empty.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { equalHex } from "../lightning/constant-time.ts";
import { KEY_ID, OWNER, WALLET_ID } from "../lightning/schema.ts";
import type { Auth } from "../lightning/wallet-api.ts";

export interface Agent {
  readonly kind: "agent";
  readonly owner: string;
  readonly walletId: string;
  /** Carries the secret to the object, which alone knows its hash. */
  readonly auth: Auth;
}

export interface Operator {
  readonly kind: "operator";
  readonly owner: string;
  readonly keyId: string;
}

/** Somebody who answers what policy asks: lists, shows, approves, rejects, makes links, and does nothing else. */
export interface Approver {
  readonly kind: "approver";
  readonly owner: string;
  readonly keyId: string;
}

export type Principal = Agent | Operator | Approver;
export type KeyRole = "operator" | "approver";

/** The owner of the platform itself: his operators hold the global switch, and his first key comes from the environment. */
export const MAIN_OWNER = "main";
export const ROOT_KEY_ID = "root";

/** A key of the control plane: its prefix says the role it is held against, so that it is nothing under the other. */
interface RoleKey {
  readonly kind: "role_key";
  readonly role: KeyRole;
  readonly owner: string;
  readonly keyId: string;
  readonly secret: string;
}

const SECRET = /^[A-Za-z0-9_-]{43}$/u;
const UNKNOWN_KEY_HASH = "0".repeat(64);

/** Every Wallet object's name; owners and wallet ids hold no slash. */
export function walletObjectName(owner: string, walletId: string): string {
  return `${owner}/${walletId}`;
}

/** @param authorization the header as received @returns null for anything but `Bearer` and a well-formed key */
export function readKey(authorization: string | null): Agent | RoleKey | null {
  if (authorization === null || authorization.length > 200 || !/^bearer /iu.test(authorization)) return null;
  const [prefix, owner, ...rest] = authorization.slice(7).split(".");
  if (owner === undefined || !OWNER.test(owner)) return null;
  if (prefix === "lwk" && rest.length === 3) {
    const [walletId = "", keyId = "", secret = ""] = rest;
    if (!WALLET_ID.test(walletId) || !KEY_ID.test(keyId) || !SECRET.test(secret)) return null;
    return { kind: "agent", owner, walletId, auth: { kind: "agent_key", keyId, secret } };
  }
  if ((prefix === "lwo" || prefix === "lwa") && rest.length === 2) {
    const [keyId = "", secret = ""] = rest;
    const role = prefix === "lwo" ? "operator" : "approver";
    return KEY_ID.test(keyId) && SECRET.test(secret) ? { kind: "role_key", role, owner, keyId, secret } : null;
  }
  return null;
}

/**
 * An agent's secret is checked by its Wallet object, an operator's or approver's here, by hash and in constant time; an unknown key costs as much
 * as a wrong one.
 * @param storedHash hex sha256 of that key's secret, or null; rejects when the control plane cannot be asked
 */
export async function resolvePrincipal(
  authorization: string | null,
  storedHash: (owner: string, keyId: string, role: KeyRole) => Promise<string | null>,
): Promise<Principal | null> {
  const key = readKey(authorization);
  if (key === null || key.kind === "agent") return key;
  const hash = (await storedHash(key.owner, key.keyId, key.role)) ?? UNKNOWN_KEY_HASH;
  // A hash that is not 64 hex digits, an unset secret for one, must match nothing.
  const right = /^[0-9a-f]{64}$/u.test(hash) && hash !== UNKNOWN_KEY_HASH && equalHex(hash, secretHash(key.secret));
  return right ? { kind: key.role, owner: key.owner, keyId: key.keyId } : null;
}

/** Hex sha256 of a key's secret part: all that is ever stored of it. */
export function secretHash(secret: string): string {
  return bytesToHex(sha256(utf8ToBytes(secret)));
}
