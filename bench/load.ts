/** Load from one Node process over keep-alive connections: how long one request takes alone, and how many a second fit in parallel. */
import { Agent, request } from "node:http";

export interface Target {
  readonly url: string;
  readonly method: "GET" | "POST";
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

/** Is this status, with this `Lightning-Status`, what was wanted? A benchmark of refusals would be fast and worthless. */
export type Right = (status: number, lightning: string | null) => boolean;

/** One way to send requests, with connections of its own that stay open between rounds. */
export class Client {
  readonly #agent: Agent;
  readonly #right: Right;

  constructor(connections: number, right: Right) {
    this.#agent = new Agent({ keepAlive: true, maxSockets: connections });
    this.#right = right;
  }

  /** One request, to the last byte of its answer. @returns ms @throws Error for an answer that is not right */
  async send({ url, method, headers, body }: Target): Promise<number> {
    const began = performance.now();
    await new Promise<void>((done, fail) => {
      const length = body === null ? {} : { "content-length": Buffer.byteLength(body) };
      const outgoing = request(url, { agent: this.#agent, method, headers: { ...headers, ...length } }, (response) => {
        const lightning = response.headers["lightning-status"]?.toString() ?? null;
        const status = response.statusCode ?? 0;
        const isProblem = response.headers["content-type"] === "application/problem+json";
        let problem = "";
        response.on("data", (chunk: Buffer) => {
          if (isProblem) problem += chunk.toString();
        });
        response.on("error", fail);
        response.on("end", () =>
          this.#right(status, lightning)
            ? done()
            : fail(new Error(`the benchmark got ${status} ${lightning ?? ""} ${/"code":"[a-z_]+"/u.exec(problem)?.[0] ?? ""}`)),
        );
      });
      outgoing.on("error", fail);
      outgoing.end(body ?? undefined);
    });
    return performance.now() - began;
  }

  /** One after another. @returns ms of each */
  async alone(target: (n: number) => Target, requests: number): Promise<number[]> {
    const times: number[] = [];
    for (let n = 0; n < requests; n++) times.push(await this.send(target(n)));
    return times;
  }

  /** As many at once as `parallel` says. @returns requests per second */
  async together(target: (n: number) => Target, requests: number, parallel: number): Promise<number> {
    let next = 0;
    const began = performance.now();
    const worker = async (): Promise<void> => {
      while (next < requests) await this.send(target(next++));
    };
    await Promise.all(Array.from({ length: parallel }, worker));
    return requests / ((performance.now() - began) / 1000);
  }

  close(): void {
    this.#agent.destroy();
  }
}

/** The value below which `share` of them lie. @throws RangeError for none */
export function quantile(values: readonly number[], share: number): number {
  const found = values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))];
  if (found === undefined) throw new RangeError("a quantile of nothing");
  return found;
}

export const median = (values: readonly number[]): number => quantile(values, 0.5);

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
