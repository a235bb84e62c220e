/** Load from one Node process over keep-alive connections: how long one request takes alone, and how many a second fit in parallel. */
import { Agent, request } from "node:http";

export interface Target {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

export interface Answer {
  readonly status: number;
  readonly lightning: string | undefined;
}

export interface Latency {
  readonly p50Ms: number;
  readonly p95Ms: number;
}

/** `requests` one after another, after a tenth as many to warm up. @throws Error at the first answer that is not as `right` wants it */
export async function latency(target: (n: number) => Target, requests: number, right: (answer: Answer) => boolean): Promise<Latency> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let n = -Math.ceil(requests / 10); n < requests; n++) {
    const began = performance.now();
    check(await send(agent, target(n)), right);
    if (n >= 0) times.push(performance.now() - began);
  }
  agent.destroy();
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  return { p50Ms: at(0.5), p95Ms: at(0.95) };
}

/** `requests` over `parallel` connections. @returns requests per second */
export async function throughput(target: (n: number) => Target, requests: number, parallel: number, right: (answer: Answer) => boolean): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: parallel });
  let next = 0;
  const began = performance.now();
  const worker = async (): Promise<void> => {
    while (next < requests) check(await send(agent, target(next++)), right);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const seconds = (performance.now() - began) / 1000;
  agent.destroy();
  return requests / seconds;
}

function check(answer: Answer, right: (answer: Answer) => boolean): void {
  // A benchmark of refusals would be fast and worthless.
  if (!right(answer)) throw new Error(`the benchmark got ${answer.status} ${answer.lightning ?? ""}`);
}

function send(agent: Agent, { url, method, headers, body }: Target): Promise<Answer> {
  return new Promise((done, fail) => {
    const outgoing = request(url, { agent, method, headers: body === null ? headers : { ...headers, "content-length": Buffer.byteLength(body) } }, (response) => {
      response.resume();
      response.on("end", () => done({ status: response.statusCode ?? 0, lightning: response.headers["lightning-status"]?.toString() }));
      response.on("error", fail);
    });
    outgoing.on("error", fail);
    outgoing.end(body ?? undefined);
  });
}

/** How often `work` fits into a second, measured over at least `ms`. */
export function perSecond(work: () => void, ms: number): number {
  const began = performance.now();
  let count = 0;
  while (performance.now() - began < ms) {
    for (let n = 0; n < 50; n++) work();
    count += 50;
  }
  return (count / (performance.now() - began)) * 1000;
}
