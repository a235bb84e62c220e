/** Custody's ports on a real platform: the envelope in the control plane, the keys in the secret store. The mnemonic stays inside lightning/envelope.ts. */
import type { ControlPlane } from "../lightning/control-plane.ts";
import { reencryptEnvelope, rewrapEnvelope, type Envelope, type Opened } from "../lightning/envelope.ts";
import { isForeign, type KeyRing } from "../lightning/kek.ts";
import { nodeCipher } from "./cipher.ts";
import { webCryptoSpenderKek } from "./kek-webcrypto.ts";
import type { CustodyPorts } from "./wallet/ports.ts";

type Keeper = Pick<ControlPlane, "wallet" | "envelope" | "putEnvelope" | "moveSpender">;

/** @param ring null: no key-encryption key can be read; nothing is rotated then */
export function custodyPorts(env: object, ring: () => Promise<KeyRing | null>, control: Keeper): CustodyPorts {
  const withRing = async (make: (keks: KeyRing) => Promise<Opened<Envelope>>): Promise<Opened<Envelope>> => {
    const keks = await ring();
    return keks === null ? { ok: false, code: "envelope_unopenable", detail: "no key-encryption key can be read" } : make(keks);
  };
  return {
    rewrap: (envelope, binding) =>
      withRing(async (keks) =>
        envelope.kekVersion === keks.current.version || isForeign(envelope.kekVersion)
          ? { ok: true, value: envelope }
          : rewrapEnvelope(keks, keks.current, envelope, binding),
      ),
    reencrypt: (envelope, binding) =>
      withRing((keks) =>
        reencryptEnvelope(
          { cipher: nodeCipher, keks, random: (length) => crypto.getRandomValues(new Uint8Array(length)) },
          envelope,
          binding,
        ),
      ),
    wrapFor: (envelope, binding, spender) =>
      withRing(async (keks) => {
        if (spender === null) return rewrapEnvelope(keks, keks.current, envelope, binding);
        const kek = await webCryptoSpenderKek(env, spender);
        return kek.ok ? rewrapEnvelope(keks, kek.value, envelope, binding) : { ok: false, code: "envelope_unopenable", detail: kek.detail };
      }),
    record: (walletId) => control.wallet(walletId),
    envelope: (walletId) => control.envelope(walletId),
    putEnvelope: (next, expected) => control.putEnvelope(next, expected),
    moveSpender: (change) => control.moveSpender(change),
  };
}
