/** Adds a first-party caveat to a macaroon, as any holder may: the new signature is an HMAC under the old one. V2 binary (facts: L402 §1.4). */
import { createHmac } from "node:crypto";

const FINAL_END_AND_SIGNATURE = 1 + 2 + 32;

/** @param token standard base64 @param caveat `condition=value`, less than 128 bytes so that its length is one byte */
export function attenuate(token: string, caveat: string): string {
  const bytes = Buffer.from(token, "base64");
  const text = Buffer.from(caveat);
  if (text.length > 127) throw new Error("this caveat would need a longer varint");
  const signature = createHmac("sha256", bytes.subarray(-32)).update(text).digest();
  const added = [Buffer.from([2, text.length]), text, Buffer.from([0])];
  return Buffer.concat([bytes.subarray(0, -FINAL_END_AND_SIGNATURE), ...added, Buffer.from([0, 6, 32]), signature]).toString("base64");
}
