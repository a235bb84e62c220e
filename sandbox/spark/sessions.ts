/**
 * Who is calling. Each host (three operators, one SSP) has challenges and sessions of its own, as four real machines would: a token of one opens
 * nothing at another. Sessions end by the injected clock, or all at once on demand.
 */
import type { SparkPorts } from "./operators-port.ts";

/** `op0` to `op2`, `ssp`. */
export type Host = string;

interface Session {
  readonly identity: string;
  /** Epoch ms. */
  readonly expiresAt: number;
}

const CHALLENGE_MS = 60_000;

export class Sessions {
  readonly #ports: SparkPorts;
  readonly #ttlMs: number;
  readonly #sessions = new Map<string, Session>();
  /** Challenges of the SSP, and when they end; the operators keep theirs. */
  readonly #challenges = new Map<string, number>();

  constructor(ports: SparkPorts, ttlMs: number) {
    this.#ports = ports;
    this.#ttlMs = ttlMs;
  }

  open(host: Host, identity: string): { readonly token: string; readonly expiresAt: number } {
    const token = `${host}-${this.#ports.uuid()}`;
    const expiresAt = this.#ports.now() + this.#ttlMs;
    this.#sessions.set(token, { identity, expiresAt });
    return { token, expiresAt };
  }

  /** @returns the identity public key (hex), or null when the token is unknown, another host's, or over */
  identity(host: Host, token: string | null): string | null {
    if (token === null || !token.startsWith(`${host}-`)) return null;
    const session = this.#sessions.get(token);
    if (session === undefined) return null;
    if (this.#ports.now() < session.expiresAt) return session.identity;
    this.#sessions.delete(token);
    return null;
  }

  challenge(bytes: Uint8Array): string {
    const text = base64url(bytes);
    for (const [old, endsAt] of this.#challenges) if (this.#ports.now() >= endsAt) this.#challenges.delete(old);
    this.#challenges.set(text, this.#ports.now() + CHALLENGE_MS);
    return text;
  }

  /** A challenge answers once. */
  takeChallenge(text: string): boolean {
    const endsAt = this.#challenges.get(text);
    return this.#challenges.delete(text) && endsAt !== undefined && this.#ports.now() < endsAt;
  }

  drop(): void {
    this.#sessions.clear();
  }
}

export function base64url(bytes: Uint8Array): string {
  return btoa(String.fromCharCode(...bytes))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replaceAll("=", "");
}

/** @returns null when it is not base64url */
export function fromBase64url(text: string): Uint8Array | null {
  if (!/^[A-Za-z0-9_-]*$/u.test(text) || text.length % 4 === 1) return null;
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}
