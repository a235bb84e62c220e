/** The whole Worker inside workerd: real routes, real objects; the seller is a function, and no payment backend is configured. */
import { createExecutionContext, waitOnExecutionContext } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { vi } from "vitest";
import { embeddedControlPlane } from "../../control-plane/embedded.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import { newOperatorKey } from "../../worker/keys.ts";
import worker from "../../worker/index.ts";

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  readonly json: Readonly<Record<string, unknown>>;
}

const random = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));

/** One request from outside, all of its late work included. @param raw a body that is no JSON, with its type in `headers` */
export async function call(
  method: string,
  path: string,
  key: string | null,
  body?: unknown,
  headers: Readonly<Record<string, string>> = {},
  raw?: string,
): Promise<Answer> {
  const ctx = createExecutionContext();
  const request = new Request<unknown, IncomingRequestCfProperties>(`https://worker.example${path}`, {
    method,
    headers: {
      ...(key === null ? {} : { authorization: `Bearer ${key}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
      ...headers,
    },
    ...(body === undefined && raw === undefined ? {} : { body: raw ?? JSON.stringify(body) }),
  });
  const response = await worker.fetch(request, env, ctx);
  const text = new TextDecoder().decode(await response.arrayBuffer());
  await waitOnExecutionContext(ctx);
  const isJson = /^application\/(?:problem\+)?json$/u.test(response.headers.get("content-type") ?? "");
  return { status: response.status, headers: response.headers, text, json: isJson ? (JSON.parse(text) as Record<string, unknown>) : {} };
}

/** 402 with a real challenge over this amount. */
export function challenge(amountMsat: number): Response {
  const paymentHash = [...random(32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const macaroon = mintMacaroon({ rootKey: random(32), paymentHash, tokenId: random(32), caveats: [] });
  const timestamp = Math.floor(Date.now() / 1000);
  const invoice = mintBolt11({
    network: "mainnet",
    amountMsat,
    paymentHash,
    paymentSecret: random(32),
    description: "L402",
    timestamp,
    nodeSecretKey: random(32),
  });
  return new Response("payment required\n", {
    status: 402,
    headers: { "www-authenticate": `L402 macaroon="${macaroon}", invoice="${invoice}"` },
  });
}

/** An approver's key, made by an operator as anybody's would be. */
export async function approverOf(operator: string): Promise<{ readonly key: string; readonly keyId: string }> {
  const { json } = await call("POST", "/v1/approver-keys", operator, { label: "test" });
  return { key: String(json["key"]), keyId: String(json["keyId"]) };
}

/** An operator's key of any owner, put where such keys live: no route makes a key for another owner. */
export async function operatorOf(owner: string): Promise<string> {
  const key = newOperatorKey(random, owner);
  await embeddedControlPlane(env.CONTROL_PLANE, owner).addOperatorKey({
    keyId: key.keyId,
    hash: key.hash,
    label: "test",
    createdAt: Date.now(),
  });
  return key.text;
}

export const policy = (allow: readonly string[] = ["seller.example"], caps: Readonly<Record<string, unknown>> = {}) => ({
  perPaymentMsat: 100_000,
  hosts: { mode: "listed", allow, block: [], unknown: "deny" },
  fee: { floorMsat: 5000, ppm: 10_000 },
  opaqueTokens: "deny",
  network: env.LIGHTNING_NETWORK,
  ...caps,
});

export interface Agent {
  readonly walletId: string;
  readonly keyId: string;
  readonly key: string;
}

/** A wallet with the budget `daily` and one key on it. */
export async function agentOf(operator: string, rule: Readonly<Record<string, unknown>> = policy()): Promise<Agent> {
  const wallet = await call("POST", "/v1/wallets", operator, { label: "test", policy: rule });
  const walletId = String(wallet.json["walletId"]);
  await call("PUT", `/v1/wallets/${walletId}/budgets/daily`, operator, { policy: rule });
  const key = await call("POST", `/v1/wallets/${walletId}/keys`, operator, { budget: "daily", label: "test" });
  return { walletId, keyId: String(key.json["keyId"]), key: String(key.json["key"]) };
}

/** Stands for every seller; returns the requests it saw. */
export function seller(answer: (request: Request) => Response): readonly Request[] {
  const seen: Request[] = [];
  vi.stubGlobal("fetch", (input: RequestInfo, init?: RequestInit) => {
    const request = new Request(input, init);
    seen.push(request);
    return Promise.resolve(answer(request));
  });
  return seen;
}
