/** spark_authn.SparkAuthnService: a wallet proves its identity key by signing a challenge, once. Tokens are the front's affair. */
import { bytesToHex } from "./field.ts";
import { identityOf } from "./leaves.ts";
import { Challenge, type GetChallengeRequest, type GetChallengeResponse, type VerifyChallengeRequest } from "./messages.ts";
import { given, UNAUTHENTICATED, type Network } from "./network.ts";
import { GrpcError } from "./operators-port.ts";
import { verifyEcdsa } from "./points.ts";
import type { Infer, Input } from "./protobuf.ts";

const key = (operator: number, nonce: Uint8Array): string => `${operator}:${bytesToHex(nonce)}`;

export function getChallenge(
  network: Network,
  operator: number,
  request: Infer<typeof GetChallengeRequest>,
): Input<typeof GetChallengeResponse> {
  const { ports } = network;
  const nonce = ports.random(32);
  network.challenges.set(key(operator, nonce), true);
  const challenge = { version: 1, timestamp: Math.floor(ports.now() / 1000), nonce, publicKey: request.publicKey };
  return { protectedChallenge: { version: 1, challenge, serverHmac: ports.random(32) } };
}

/** @returns the identity, hex. @throws GrpcError 16 */
export function verifyChallenge(network: Network, operator: number, request: Infer<typeof VerifyChallengeRequest>): string {
  const challenge = given(given(request.protectedChallenge, "protected_challenge").challenge, "challenge");
  const place = key(operator, challenge.nonce);
  const known = network.challenges.has(place) && bytesToHex(challenge.publicKey) === bytesToHex(request.publicKey);
  if (!known || !verifyEcdsa(request.signature, Challenge.encode(challenge), request.publicKey)) {
    throw new GrpcError(UNAUTHENTICATED, "the challenge is unknown or not signed by this key");
  }
  network.challenges.delete(place);
  return identityOf(request.publicKey);
}
