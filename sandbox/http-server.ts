/** Small Node http helpers shared by the sandbox's servers. Everything listens on loopback only: the sandbox has no door to the outside. */
import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";

export interface Listening {
  /** `http://127.0.0.1:<port>`, without a final slash. */
  readonly url: string;
  readonly port: number;
  /** Ends open connections too, so that a hanging request cannot keep the process up. */
  close(): Promise<void>;
}

/** @param port 0 for a free one @throws the listen error (`EADDRINUSE`) */
export async function listenOnLoopback(handler: RequestListener, port = 0): Promise<Listening> {
  const server: Server = createServer({ keepAliveTimeout: 30_000, noDelay: true }, handler);
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  const bound = (server.address() as AddressInfo).port;
  return {
    url: `http://127.0.0.1:${bound}`,
    port: bound,
    close: async () => {
      if (!server.listening) return;
      const closed = once(server, "close");
      server.close();
      server.closeAllConnections();
      await closed;
    },
  };
}

/** The whole body, or null once it passes `limit` bytes. Rejects when the client goes away. */
export async function readBody(request: IncomingMessage, limit: number): Promise<Uint8Array | null> {
  if (Number(request.headers["content-length"] ?? 0) > limit) return null;
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Uint8Array>) {
    size += chunk.byteLength;
    if (size > limit) return null;
    chunks.push(chunk);
  }
  return chunks.length === 1 ? chunks[0]! : Buffer.concat(chunks);
}

/** Header lines in the order they came, names in lower case; repeated lines stay apart, as Go's `http.Header` keeps them. */
export function headerLines(request: IncomingMessage): [string, string][] {
  const lines: [string, string][] = [];
  for (let i = 0; i + 1 < request.rawHeaders.length; i += 2) lines.push([request.rawHeaders[i]!.toLowerCase(), request.rawHeaders[i + 1]!]);
  return lines;
}

export interface PlainResponse {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: Uint8Array | AsyncIterable<Uint8Array>;
}

/** Sends an answer, streaming bodies with back pressure; a client that leaves ends the stream's iterator. */
export async function sendResponse(response: ServerResponse, answer: PlainResponse): Promise<void> {
  const headers = answer.headers.flat();
  if (answer.body instanceof Uint8Array) {
    headers.push("content-length", String(answer.body.byteLength));
    response.writeHead(answer.status, headers);
    // For HEAD Node drops the bytes and keeps the length, as Go does.
    response.end(answer.body);
    return;
  }
  response.writeHead(answer.status, headers);
  response.flushHeaders();
  for await (const chunk of answer.body) {
    if (response.destroyed || response.req.method === "HEAD") break;
    if (!response.write(chunk)) await writable(response);
  }
  response.end();
}

/** Until the client has read, or has gone. */
function writable(response: ServerResponse): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      response.off("drain", done);
      response.off("close", done);
      resolve();
    };
    response.once("drain", done);
    response.once("close", done);
  });
}

/** JSON with a status, for the executor and the admin door. */
export function sendJson(response: ServerResponse, status: number, value: unknown, headers: Readonly<Record<string, string>> = {}): void {
  const text = Buffer.from(JSON.stringify(value));
  response.writeHead(status, {
    "content-type": "application/json",
    "content-length": text.byteLength,
    "cache-control": "no-store",
    ...headers,
  });
  response.end(text);
}
