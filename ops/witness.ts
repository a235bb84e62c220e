/**
 * A running system tells other commands on this machine what its Lightning node and its seller really saw, so that `npm run demo -- --url`
 * can prove that no payment was attempted; and it pays what a wallet asks for, as a stranger with worthless coins would. Loopback only, under a
 * loopback Host (a web page cannot reach it by rebinding a name), and no secret in it: the ledger names payment hashes and amounts.
 */
import { createServer, type IncomingMessage } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type { Ledger } from "../sandbox/ledger.ts";

export interface Witness {
  ledger(): Promise<Ledger>;
  /** Requests the seller has seen, of any kind on any path. */
  sellerRequests(): Promise<number>;
  /** Pays an invoice that a wallet of this system has made. Rejects when it cannot be paid, or where nobody outside can pay. */
  payInvoice(bolt11: string): Promise<void>;
}

const MAX_BODY = 8192;

/** Serves a witness. @returns its address and how to end it */
export async function serveWitness(witness: Witness): Promise<{ readonly url: string; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: unknown): void =>
      void response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    const lost = (): void => answer(503, {});
    if (!/^127\.0\.0\.1:\d+$/u.test(request.headers.host ?? "")) return answer(403, {});
    if (request.method === "POST")
      return void text(request)
        .then((bolt11) => witness.payInvoice(bolt11))
        .then(() => answer(200, {}), lost);
    Promise.all([witness.ledger(), witness.sellerRequests()]).then(
      ([ledger, sellerRequests]) => answer(200, { ledger, sellerRequests }),
      lost,
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
  return {
    ledger: async () => (await ask()).ledger,
    sellerRequests: async () => (await ask()).sellerRequests,
    payInvoice: async (bolt11) => {
      const response = await fetch(url, { method: "POST", body: bolt11 });
      if (!response.ok) throw new Error("the invoice could not be paid from outside");
    },
  };
}

async function text(request: IncomingMessage): Promise<string> {
  let body = "";
  for await (const chunk of request) {
    body += String(chunk);
    if (body.length > MAX_BODY) throw new Error("that is no invoice");
  }
  return body;
}
