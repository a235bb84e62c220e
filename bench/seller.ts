/**
 * The benchmark's seller: 1 sat a path, and a token without a services caveat, so that each path is a purchase of its own. It checks the
 * proof and nothing else: what is measured is the buyer.
 */
import { createHash, randomBytes } from "node:crypto";
import { sats } from "../lightning/msat.ts";
import { listenOnLoopback, type Listening } from "../sandbox/http-server.ts";
import { mintMacaroon } from "../sandbox/mint-macaroon.ts";
import type { SimulatedNode } from "../sandbox/node.ts";

const CREDENTIAL = /^L402 [A-Za-z0-9+/=]+:([0-9a-f]{64})$/u;
const BODY = Buffer.from('{"ok":true}');

export function startSeller(node: SimulatedNode): Promise<Listening> {
  const rootKey = new Uint8Array(randomBytes(32));
  return listenOnLoopback((request, response) => {
    const preimage = CREDENTIAL.exec(request.headers.authorization ?? "")?.[1];
    if (preimage !== undefined && node.isPaid(createHash("sha256").update(preimage, "hex").digest("hex"))) {
      response.writeHead(200, { "content-type": "application/json", "content-length": BODY.byteLength }).end(BODY);
      return;
    }
    const { bolt11, paymentHash } = node.createInvoice({ amountMsat: sats(1), description: "bench" });
    const token = mintMacaroon({ rootKey, paymentHash, tokenId: new Uint8Array(randomBytes(32)), caveats: [] });
    response.writeHead(402, { "www-authenticate": `L402 macaroon="${token}", invoice="${bolt11}"`, "content-length": 0 }).end();
  });
}
