/**
 * Many callers at once, over real HTTP against the Worker in raw workerd. The witness is the Lightning node's own ledger: what the
 * Worker says of itself proves nothing about money.
 */
import { Agent, request } from "node:http";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FlowContext, settlements } from "../../ops/demo-flows/context.ts";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";
import { msat, sats } from "../../lightning/msat.ts";
import type { Policy } from "../../lightning/policy.ts";

/** What `/many/<n>` costs; each path there is a scope of its own. */
const PRICE = sats(10);
/** At most this many requests are on the way at once: a socket each for the client, and one more between Worker and seller. */
const SOCKETS = 250;

let system: LocalSystem;
let sockets: Agent;

beforeAll(async () => {
  system = await startLocal({ kind: "simulated", payer: "executor", stateDir: null, port: 0 });
  sockets = new Agent({ keepAlive: true, maxSockets: SOCKETS });
});

afterAll(async () => {
  sockets.destroy();
  await system.close();
});

interface Answer {
  readonly status: number;
  /** `Lightning-Status`: how it ended. */
  readonly outcome: string;
  readonly receipt: string;
  readonly code: string | null;
}

/** A new wallet and one key for it, both under this policy. */
async function newKey(caps: Partial<Policy>): Promise<{ readonly walletId: string; readonly key: string }> {
  const context = new FlowContext(system);
  const policy = context.policy(caps);
  const walletId = String((await context.operate("POST", "/v1/wallets", { label: "crowd", network: "regtest", policy }))["walletId"]);
  await context.operate("PUT", `/v1/wallets/${walletId}/budgets/crowd`, { policy: context.policy({ dayMsat: sats(100_000) }) });
  const key = await context.operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "crowd", label: "crowd" });
  return { walletId, key: String(key["key"]) };
}

function buy(key: string, path: string, idempotencyKey: string | null = null): Promise<Answer> {
  const body = JSON.stringify({ url: new URL(path, system.sellerUrl).href });
  const headers = {
    authorization: `Bearer ${key}`,
    "content-type": "application/json",
    "content-length": Buffer.byteLength(body),
    ...(idempotencyKey === null ? {} : { "idempotency-key": idempotencyKey }),
  };
  return new Promise((done, fail) => {
    const outgoing = request(`${system.api.url}/v1/fetch`, { agent: sockets, method: "POST", headers }, (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => (text += chunk));
      response.on("error", fail);
      response.on("end", () => {
        const code: unknown =
          response.headers["content-type"] === "application/problem+json" ? (JSON.parse(text) as { readonly code?: unknown }).code : null;
        done({
          status: response.statusCode ?? 0,
          outcome: String(response.headers["lightning-status"]),
          receipt: String(response.headers["lightning-receipt"]),
          code: typeof code === "string" ? code : null,
        });
      });
    });
    outgoing.on("error", fail);
    outgoing.end(body);
  });
}

/** `{ "200 paid": 1, "200 cached": 999 }` */
function tally(answers: readonly Answer[]): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (const { status, outcome, code } of answers) {
    const name = `${status} ${outcome}${code === null ? "" : ` ${code}`}`;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

test("invariant 2: 1,000 identical concurrent requests make one payment, and all get the resource", async () => {
  const { key } = await newKey({});
  const before = (await system.ledger()).attempts;
  const { result, settled } = await settlements(system, () => Promise.all(Array.from({ length: 1000 }, () => buy(key, "/many/1"))));
  expect(tally(result)).toEqual({ "200 paid": 1, "200 cached": 999 });
  expect(settled).toBe(1);
  expect((await system.ledger()).attempts - before).toBe(1);
  // A receipt for every decision (invariant 14): none is shared, none is missing.
  expect(new Set(result.map(({ receipt }) => receipt)).size).toBe(1000);
});

test("invariant 2: 200 concurrent requests with one Idempotency-Key make one payment", async () => {
  const { key } = await newKey({});
  const { result, settled } = await settlements(system, () =>
    Promise.all(Array.from({ length: 200 }, () => buy(key, "/many/2", "one-of-a-kind"))),
  );
  expect(tally(result)).toEqual({ "200 paid": 1, "200 cached": 199 });
  expect(settled).toBe(1);
});

test("invariant 3: of 200 different concurrent requests a cap for 50 admits exactly 50", async () => {
  // A reserve barely above the fee (0.105 sat), or what 50 purchases did not use of theirs would add up to a 51st.
  const reserve = msat(200);
  const cap = msat(50 * (PRICE + reserve));
  const { walletId, key } = await newKey({ dayMsat: cap, fee: { floorMsat: reserve, ppm: 0 } });
  const { result, settled } = await settlements(system, () =>
    Promise.all(Array.from({ length: 200 }, (_, n) => buy(key, `/many/${1000 + n}`))),
  );
  expect(tally(result)).toEqual({ "200 paid": 50, "403 denied window_cap_exceeded": 150 });
  expect(settled).toBe(50);
  const { spent } = (await new FlowContext(system).operate("GET", `/v1/wallets/${walletId}`)) as {
    readonly spent: { readonly dayMsat: number; readonly openMsat: number };
  };
  expect(spent.openMsat).toBe(0);
  expect(spent.dayMsat).toBeGreaterThanOrEqual(50 * PRICE);
  expect(spent.dayMsat).toBeLessThanOrEqual(cap);
});
