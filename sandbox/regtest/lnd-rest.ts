/**
 * lnd's REST gateway over TLS. The node's self-signed certificate is itself the CA, checked under the name `localhost` that it carries:
 * never `rejectUnauthorized: false`, which would hand the macaroon to whoever took the port. Errors name the path's family and the
 * system's code only, for a path can hold a payment hash and a body an invoice.
 */
import { readFileSync } from "node:fs";
import { Agent, request, type RequestOptions } from "node:https";
import type { IncomingMessage } from "node:http";
import { field, type LndReply } from "./lnd-payment.ts";

export interface LndConnection {
  readonly restPort: number;
  readonly tlsCertPath: string;
  /** What may be done: the admin macaroon, or one baked for less. */
  readonly macaroonHex: string;
}

export interface LndRest {
  readonly connection: LndConnection;
  /** One request, one JSON answer; for a stream the last line, which is the terminal one. @throws Error when lnd cannot be reached */
  call(path: string, body?: unknown): Promise<LndReply>;
  /** The first line of a streamed answer that `accept` takes; the stream is then dropped. @throws Error when it ends, or is aborted, without one */
  first(path: string, accept: (reply: LndReply) => boolean, signal?: AbortSignal): Promise<LndReply>;
  /** Drops every connection, requests that wait included. */
  close(): void;
}

/** Longest line we keep: a payment with its routes is some kB. */
const MAX_LINE = 1 << 20;

/** @param connection of a node on 127.0.0.1. Reads the certificate at once; opens no connection. */
export function connectLnd(connection: LndConnection): LndRest {
  // No limit of sockets: a payment that hangs holds one for as long as it hangs, and must not keep others from being looked up.
  const agent = new Agent({ keepAlive: true });
  const options: RequestOptions = {
    host: "127.0.0.1",
    port: connection.restPort,
    servername: "localhost",
    ca: readFileSync(connection.tlsCertPath),
    agent,
    headers: { "grpc-metadata-macaroon": connection.macaroonHex },
  };

  const send = (path: string, body: unknown, signal?: AbortSignal) =>
    new Promise<IncomingMessage>((resolve, reject) => {
      const outgoing = request(
        { ...options, path, method: body === undefined ? "GET" : "POST", ...(signal === undefined ? {} : { signal }) },
        resolve,
      );
      outgoing.once("error", (error: NodeJS.ErrnoException) => reject(unreachable(path, error.code ?? error.name)));
      outgoing.end(body === undefined ? undefined : JSON.stringify(body));
    });

  return {
    connection,
    async call(path, body) {
      let last: LndReply | null = null;
      for await (const line of lines(await send(path, body), path)) last = line;
      if (last === null) throw unreachable(path, "empty answer");
      return last;
    },
    async first(path, accept, signal) {
      const answer = await send(path, undefined, signal);
      try {
        for await (const line of lines(answer, path)) if (accept(line)) return line;
      } finally {
        answer.destroy();
      }
      throw unreachable(path, "stream ended");
    },
    close() {
      agent.destroy();
    },
  };
}

/** Newline-delimited JSON. A stream wraps each line in `result` or `error`; a plain answer is one such line without the wrapping. */
async function* lines(answer: IncomingMessage, path: string): AsyncGenerator<LndReply> {
  let rest = "";
  try {
    for await (const chunk of answer.setEncoding("utf8")) {
      const parts = (rest + String(chunk)).split("\n");
      rest = parts.pop() ?? "";
      if (rest.length > MAX_LINE) throw unreachable(path, "answer too large");
      for (const part of parts) if (part.trim() !== "") yield parse(part, path);
    }
  } catch (error) {
    throw error instanceof LndUnreachable ? error : unreachable(path, "connection lost");
  }
  if (rest.trim() !== "") yield parse(rest, path);
}

function parse(line: string, path: string): LndReply {
  let json: unknown;
  try {
    json = JSON.parse(line);
  } catch {
    throw unreachable(path, "not JSON");
  }
  const error = field(json, "error") ?? json;
  const code = field(error, "code");
  const message = field(error, "message");
  if (typeof code === "number" && typeof message === "string") return { kind: "refused", code, message };
  return { kind: "ok", value: field(json, "result") ?? json };
}

/** lnd did not give an answer that can be read. Says nothing about what it did. */
export class LndUnreachable extends Error {
  override readonly name = "LndUnreachable";
}

function unreachable(path: string, why: string): LndUnreachable {
  return new LndUnreachable(`lnd ${path.split("/").slice(0, 4).join("/").split("?")[0]}: ${why}`);
}

/** The answer's JSON. @throws Error with lnd's code and words when it refused: for set-up and tests, where a refusal is a bug. */
export async function expectOk(reply: Promise<LndReply>): Promise<unknown> {
  const result = await reply;
  if (result.kind === "ok") return result.value;
  throw new Error(`lnd refused: ${result.message} (code ${result.code})`);
}

/** A string property of lnd's JSON. @throws Error when it is missing */
export function text(value: unknown, name: string): string {
  const found = field(value, name);
  if (typeof found !== "string") throw new Error(`lnd's answer has no ${name}`);
  return found;
}

/** Bytes in the body of a request, and the hash in most paths: lnd wants padded base64, url-safe in a path (unpadded is code 3). */
export const base64OfHex = (hex: string) => Buffer.from(hex, "hex").toString("base64");
export const urlBase64OfHex = (hex: string) => base64OfHex(hex).replaceAll("+", "-").replaceAll("/", "_");
export const hexOfBase64 = (base64: string) => Buffer.from(base64, "base64").toString("hex");
