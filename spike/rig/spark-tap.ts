/**
 * Stands between the Worker and the sandbox's Spark network: counts what is asked, by name, and remembers the secrets that pass here and
 * may be found nowhere else: session tokens, preimages, invoices. It changes nothing; faults are the network's own (sandbox/spark/faults.ts).
 */
import { once } from "node:events";
import { createServer, request as httpRequest } from "node:http";
import type { AddressInfo } from "node:net";
import type { Secret } from "../../test/support/canary.ts";

export interface SparkTap {
  readonly url: string;
  /** Requests since the start, by RPC or operation. */
  counts(): ReadonlyMap<string, number>;
  total(): number;
  secrets(): readonly Secret[];
  close(): Promise<void>;
}

export async function sparkTap(target: string): Promise<SparkTap> {
  const to = new URL(target);
  const counts = new Map<string, number>();
  const secrets = new Map<string, string>();

  /** Names of members of the SSP's answers and of our own questions; both spellings are met. */
  const remember = (text: string): void => {
    for (const [, name, value] of text.matchAll(/"((?:\w*preimage)|encoded_?[iI]nvoice|session_?[tT]oken)"\s*:\s*"([^"]{32,})"/gu))
      secrets.set(value ?? "", /invoice/iu.test(name ?? "") ? "invoice" : /token/iu.test(name ?? "") ? "session token" : "preimage");
  };

  const server = createServer((request, response) => {
    const token = /^(?:Bearer )?(.{16,})$/u.exec(request.headers.authorization ?? "")?.[1];
    if (token !== undefined) secrets.set(token, "session token");
    const path = request.url ?? "/";
    const graphql = path.includes("/graphql/");
    const chunks: Buffer[] = [];
    if (!graphql) count(path.split("/").at(-1) ?? path);
    const onward = httpRequest(
      { host: to.hostname, port: to.port, method: request.method, path, headers: { ...request.headers, host: to.host } },
      (answer) => {
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        const said: Buffer[] = [];
        if (graphql) {
          answer.on("data", (chunk: Buffer) => said.push(chunk));
          answer.on("end", () => remember(Buffer.concat(said).toString("utf8")));
        }
        answer.on("error", () => response.destroy());
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    if (graphql) {
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        const asked = Buffer.concat(chunks).toString("utf8");
        count(/"operationName"\s*:\s*"(\w+)"/u.exec(asked)?.[1] ?? "graphql");
        remember(asked);
      });
    }
    request.pipe(onward);
  });
  const count = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    counts: () => new Map(counts),
    total: () => [...counts.values()].reduce((sum, each) => sum + each, 0),
    secrets: () => [...secrets].map(([text, name]) => ({ name, text })),
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
