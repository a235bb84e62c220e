/**
 * What is sold: the resources behind the gateway. One function, used in process by the simulated gateway and as a real Node
 * http server ({@link upstreamHandler}) behind the real Aperture. It never echoes a request's headers: Aperture passes the
 * credential, preimage and all, to its upstream.
 */
import type { RequestListener } from "node:http";
import { readBody, sendResponse, type PlainResponse } from "./http-server.ts";
import type { SandboxPorts } from "./ports.ts";

export interface UpstreamRequest {
  readonly method: string;
  /** Path and query. */
  readonly url: string;
  readonly body: Uint8Array;
}

const MAX_BODY = 4 * 1024 * 1024;
const MAX_HUGE = 1024 * 1024 * 1024;
const DEFAULT_HUGE = 32 * 1024 * 1024;
const MAX_WAIT_MS = 120_000;
const JOKES = [
  "A Lightning invoice walks into a bar. The barman says: you expire in an hour.",
  "How many satoshi does it take to change a light bulb? Ask again, the route failed.",
  "Why did the preimage stay at home? It did not want to be known before it was paid.",
] as const;
const utf8 = new TextEncoder();

/** Answers one request for a resource. `/stream`, `/slow` and `/huge` take their size and pace from the query. */
export function serveUpstream(request: UpstreamRequest, ports: Pick<SandboxPorts, "timer">): PlainResponse | Promise<PlainResponse> {
  const url = new URL(request.url, "http://upstream.invalid");
  const first = url.pathname.split("/")[1] ?? "";
  switch (first) {
    case "joke":
      return json(200, { joke: JOKES[url.pathname.length % JOKES.length], path: url.pathname });
    case "report":
      return report(request);
    case "stream":
      return {
        status: 200,
        headers: [["content-type", "text/event-stream"]],
        body: events(bounded(url, "events", 5, 1000), bounded(url, "everyMs", 100, 10_000), ports),
      };
    case "expensive":
    case "cheap":
    case "short":
    case "limited":
    case "free":
      return json(200, { ok: true, resource: first, path: url.pathname });
    case "fails":
      return json(500, { error: "the resource is broken" });
    case "redirect":
    case "moved":
      return { status: 302, headers: [["location", "/joke"]], body: new Uint8Array(0) };
    case "huge":
      return {
        status: 200,
        headers: [["content-type", "application/octet-stream"]],
        body: zeros(bounded(url, "bytes", DEFAULT_HUGE, MAX_HUGE)),
      };
    case "slow": {
      const ms = askedWaitMs(request.url);
      return wait(ms, ports).then(() => json(200, { ok: true, waitedMs: ms }));
    }
    default:
      return json(200, { ok: true, resource: first });
  }
}

/** `?ms=N` of a slow resource: how long its reader wants it to take. */
export const askedWaitMs = (url: string): number => bounded(new URL(url, "http://upstream.invalid"), "ms", 1500, MAX_WAIT_MS);

/** The same as a Node http handler. */
export function upstreamHandler(ports: Pick<SandboxPorts, "timer">): RequestListener {
  return (request, response) => {
    const answer = async (): Promise<void> => {
      const body = await readBody(request, MAX_BODY);
      await sendResponse(
        response,
        body === null
          ? json(413, { error: "too large" })
          : await serveUpstream({ method: request.method ?? "GET", url: request.url ?? "/", body }, ports),
      );
    };
    answer().catch(() => response.destroy());
  };
}

function report(request: UpstreamRequest): PlainResponse {
  if (request.method !== "POST") return json(200, { usage: "POST a JSON body; it is echoed" });
  const text = new TextDecoder().decode(request.body);
  try {
    return json(200, { report: "received", bytes: request.body.byteLength, body: JSON.parse(text) as unknown });
  } catch {
    return json(400, { error: "the body is not JSON" });
  }
}

async function* events(count: number, everyMs: number, ports: Pick<SandboxPorts, "timer">): AsyncGenerator<Uint8Array> {
  for (let n = 1; n <= count; n++) {
    if (n > 1) await wait(everyMs, ports);
    yield utf8.encode(`id: ${n}\nevent: tick\ndata: {"n":${n},"of":${count}}\n\n`);
  }
  yield utf8.encode("event: done\ndata: {}\n\n");
}

// oxlint-disable-next-line require-await -- an async generator, so that the sender sees one shape of stream
async function* zeros(bytes: number): AsyncGenerator<Uint8Array> {
  const chunk = new Uint8Array(64 * 1024);
  for (let left = bytes; left > 0; left -= chunk.byteLength) yield left >= chunk.byteLength ? chunk : chunk.subarray(0, left);
}

const wait = (ms: number, ports: Pick<SandboxPorts, "timer">): Promise<void> => new Promise((resolve) => void ports.timer(ms, resolve));

function bounded(url: URL, name: string, fallback: number, max: number): number {
  const value = Number(url.searchParams.get(name) ?? fallback);
  return Number.isSafeInteger(value) && value >= 0 ? Math.min(value, max) : fallback;
}

function json(status: number, value: unknown): PlainResponse {
  return { status, headers: [["content-type", "application/json"]], body: utf8.encode(`${JSON.stringify(value)}\n`) };
}
