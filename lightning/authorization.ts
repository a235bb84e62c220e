/**
 * The credential a seller accepts: one line, in the colon form. Aperture reads a case-sensitive scheme, exactly one space, the token in the
 * alphabet it minted, and lower-case hex; it answers everything else with 402 and a new invoice, so a slip here costs a second payment.
 */
import { isL402 } from "./challenge.ts";
import { isToken } from "./macaroon.ts";

/**
 * The value of `Authorization`: `<L402|LSAT> <token as received>:<preimage>`.
 * @param scheme as offered, in any case; sent in upper case
 * @param token exactly as received: base64 or base64url, no re-encoding
 * @param preimage 64 hex digits in either case; whether it is the right one is checked before (invariant 5)
 * @throws TypeError for anything else, which must never become a header; the message holds no secret
 */
export function authorization(scheme: string, token: string, preimage: string): string {
  if (!isL402(scheme)) throw new TypeError("the scheme of a credential is L402 or LSAT");
  if (!isToken(token)) throw new TypeError("the token holds characters that no header value may carry");
  if (!/^[0-9a-fA-F]{64}$/u.test(preimage)) throw new TypeError("the preimage is not 64 hex digits");
  return `${scheme.toUpperCase()} ${token}:${preimage.toLowerCase()}`;
}
