/**
 * A running system tells other commands on this machine what its Lightning node and its seller really saw, so that `npm run demo -- --url`
 * can prove that no payment was attempted. Loopback only, and no secret in it: the ledger names payment hashes and amounts.
 */
import { createServer } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Ledger } from "../sandbox/ledger.ts";

export interface Witness {
  ledger(): Promise<Ledger>;
  /** Requests the seller has seen, of any kind on any path. */
  sellerRequests(): Promise<number>;
}

/** Serves a witness. @returns its address and how to end it */
export async function serveWitness(witness: Witness): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((_request, response) => {
    Promise.all([witness.ledger(), witness.sellerRequests()]).then(
      ([ledger, sellerRequests]) =>
        response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify({ ledger, sellerRequests })),
      () => response.writeHead(503).end(),
    );
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The same witness, asked from another process. */
export function remoteWitness(url: string): Witness {
  const ask = async (): Promise<{ readonly ledger: Ledger; readonly sellerRequests: number }> => {
    const response = await fetch(url);
    if (!response.ok) throw new Error("the system's ledger cannot be read");
    return (await response.json()) as { readonly ledger: Ledger; readonly sellerRequests: number };
  };
  return { ledger: async () => (await ask()).ledger, sellerRequests: async () => (await ask()).sellerRequests };
}
