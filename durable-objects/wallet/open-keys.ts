/**
 * The record keys that are open in memory: one that seals, and former ones that still open what they have sealed. Bytes are overwritten
 * when they are given up; an eviction takes them all.
 */
import { sealedKeyId } from "../../lightning/seal.ts";
import type { WalletRow } from "./config.ts";
import type { OpenKey, WalletPorts } from "./ports.ts";
import { heldKeys } from "./record-keys.ts";

export class OpenKeys {
  readonly #ports: Pick<WalletPorts, "sql" | "keys">;
  readonly #keys = new Map<number, OpenKey>();
  #current: OpenKey | null = null;

  constructor(ports: Pick<WalletPorts, "sql" | "keys">) {
    this.#ports = ports;
  }

  /** Opens what is stored and not yet open. What does not unwrap stays closed: its rows do not open, and nothing else suffers. */
  async open(wallet: WalletRow): Promise<void> {
    for (const held of heldKeys(this.#ports.sql, wallet)) {
      let key = this.#keys.get(held.id);
      if (key === undefined) {
        const bytes = await this.#ports.keys.unwrap(held.kekVersion, held.wrapped, `${wallet.owner}/${wallet.wallet_id}`).catch(() => null);
        // Opened twice at once: the first stays, for somebody may hold it.
        key = this.#keys.get(held.id) ?? (bytes === null ? undefined : { id: held.id, bytes });
        if (key !== undefined) this.#keys.set(held.id, key);
      }
      if (held.current && key !== undefined && this.#keys.has(held.id) && (this.#current === null || this.#current.id < held.id))
        this.#current = key;
    }
  }

  get(id: number): OpenKey | null {
    return this.#keys.get(id) ?? null;
  }

  isCurrent(id: number): boolean {
    return this.#current?.id === id;
  }

  /** The key that seals; or the one that has sealed this, where it is open. Null when nothing is open. */
  for(sealed: Uint8Array | null): OpenKey | null {
    const id = sealed === null ? null : sealedKeyId(sealed);
    return (id === null ? undefined : this.#keys.get(id)) ?? this.#current;
  }

  /** A rotation is committed: from now on this one seals. Takes the bytes over. */
  sealWith(key: OpenKey): void {
    this.#keys.set(key.id, key);
    this.#current = key;
  }

  forgetFormer(): void {
    for (const [id, key] of this.#keys) if (id !== this.#current?.id) this.#drop(key);
  }

  forget(): void {
    for (const key of this.#keys.values()) this.#drop(key);
    this.#current = null;
  }

  #drop(key: OpenKey): void {
    key.bytes.fill(0);
    this.#keys.delete(key.id);
  }
}
