/**
 * HTTP as it is on the wire: header lines repeated and in order, and a path sent as written. `fetch` joins and
 * normalises all of these away, and they are what a differential test is about.
 */
import { request, type Agent } from "node:http";

export interface RawRequest {
  readonly method: string;
  /** Sent as written, neither resolved nor escaped. */
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string | null;
}

export interface RawAnswer {
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
  readonly body: string;
}

/** @param agent for several requests on one connection; without it each has its own */
export function send(origin: string, { method, path, headers, body }: RawRequest, agent: Agent | false = false): Promise<RawAnswer> {
  const { hostname, port, host } = new URL(origin);
  const length: readonly (readonly [string, string])[] = body === null ? [] : [["Content-Length", String(Buffer.byteLength(body))]];
  return new Promise((resolve, reject) => {
    const outgoing = request({ hostname, port, method, path, agent, headers: [["Host", host], ...length, ...headers].flat() }, (answer) => {
      const chunks: Buffer[] = [];
      answer.on("data", (chunk: Buffer) => chunks.push(chunk));
      answer.once("error", reject);
      answer.once("end", () => {
        const lines: (readonly [string, string])[] = [];
        for (let i = 0; i + 1 < answer.rawHeaders.length; i += 2) lines.push([answer.rawHeaders[i] ?? "", answer.rawHeaders[i + 1] ?? ""]);
        resolve({ status: answer.statusCode ?? 0, headers: lines, body: Buffer.concat(chunks).toString("utf8") });
      });
    });
    outgoing.once("error", reject);
    outgoing.end(body ?? undefined);
  });
}
