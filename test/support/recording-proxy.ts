/**
 * Stands between the Worker and the outside world and remembers the secrets that pass on the edges where they must: challenges and
 * credentials at the seller, invoices and preimages at the executor. What it remembers may then be found nowhere else (invariant 9).
 */
import { createServer, request as httpRequest } from "node:http";
import { once } from "node:events";
import type { AddressInfo } from "node:net";

export type SecretKind = "macaroon" | "invoice" | "preimage" | "bearer";

export interface RecordingProxy {
  readonly url: string;
  readonly requests: () => number;
  readonly secrets: () => ReadonlyMap<string, SecretKind>;
  close(): Promise<void>;
}

export async function recordingProxy(target: string): Promise<RecordingProxy> {
  const secrets = new Map<string, SecretKind>();
  let requests = 0;
  const to = new URL(target);

  const challenge = (header: string): void => {
    for (const [, name, value] of header.matchAll(/(macaroon|token|invoice)="([^"]+)"/gu))
      secrets.set(value ?? "", name === "invoice" ? "invoice" : "macaroon");
  };
  const authorization = (header: string): void => {
    const credential = /^(?:L402|LSAT) ([^:]+):([0-9a-f]{64})$/u.exec(header);
    if (credential !== null) secrets.set(credential[1] ?? "", "macaroon").set(credential[2] ?? "", "preimage");
    const bearer = /^Bearer (.+)$/u.exec(header)?.[1];
    if (bearer !== undefined) secrets.set(bearer, "bearer");
  };
  const order = (json: string): void => {
    for (const [, name, value] of json.matchAll(/"(bolt11|preimage)"\s*:\s*"([^"]+)"/gu))
      secrets.set(value ?? "", name === "bolt11" ? "invoice" : "preimage");
  };

  const server = createServer((request, response) => {
    requests++;
    authorization(request.headers.authorization ?? "");
    const onward = httpRequest(
      { host: to.hostname, port: to.port, method: request.method, path: request.url, headers: { ...request.headers, host: to.host } },
      (answer) => {
        challenge(answer.headers["www-authenticate"] ?? "");
        if (answer.headers["content-type"]?.startsWith("application/json") === true)
          answer.on("data", (chunk: Buffer) => order(chunk.toString()));
        response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    onward.on("error", () => response.destroy());
    response.on("close", () => onward.destroy());
    request.on("data", (chunk: Buffer) => order(chunk.toString()));
    request.pipe(onward);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests: () => requests,
    secrets: () => secrets,
    close: async () => {
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}
