/**
 * Counts of the checks the operators make: a test that ends with them proves that the signatures were looked at, not only passed along.
 * In `light` mode the dear ones are left out, and counted as skipped.
 */

export type CheckName =
  /** FROST shares of wallets, each over the very transaction the operators expect. */
  | "user_shares"
  /** Signatures of refunds and nodes, aggregated and verified as BIP340. */
  | "aggregated_signatures"
  | "adaptor_signatures"
  | "feldman_shares"
  /** Packages signed by a wallet's identity key (ECDSA). */
  | "packages"
  /** Signatures over each leaf's sealed key. */
  | "leaf_signatures"
  /** Leaf keys that the SSP decrypted and found to be the leaf's. */
  | "leaf_keys"
  /** Transactions compared byte for byte. */
  | "transactions"
  | "preimages";

export class Checks {
  readonly mode: "full" | "light";
  readonly #counts = new Map<string, number>();

  constructor(mode: "full" | "light") {
    this.mode = mode;
  }

  count(name: CheckName): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  /** @returns true where a dear check is to be made; else counts it as skipped */
  dear(name: CheckName): boolean {
    if (this.mode === "full") return true;
    this.#counts.set(`${name}_skipped`, (this.#counts.get(`${name}_skipped`) ?? 0) + 1);
    return false;
  }

  counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }
}
