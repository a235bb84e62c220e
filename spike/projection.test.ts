import { describe, expect, it } from "vitest";
import { msat } from "../lightning/msat.ts";
import type { Receipt } from "../lightning/receipt.ts";
import { differences, project, SAME_REQUEST, SAME_SHAPE } from "./projection.ts";

const receipt = (change: Partial<Receipt> = {}): Receipt => ({
  version: 1,
  kind: "paid",
  sequence: 2,
  purchaseId: crypto.randomUUID(),
  walletId: `w_${Math.random().toString(36).slice(2, 18)}`,
  owner: "main",
  budget: "spike",
  subject: null,
  at: new Date(Math.floor(Math.random() * 1e12)).toISOString(),
  method: "GET",
  origin: "http://127.0.0.1:1",
  path: "/many/1",
  code: null,
  amountMsat: msat(10_000),
  feeMsat: msat(1000),
  maxFeeMsat: msat(5000),
  paymentHash: "ab".repeat(32),
  credentialId: crypto.randomUUID(),
  binding: "verified",
  evidence: null,
  backend: "spark-wasm",
  epoch: 1,
  policyVersion: 1,
  ...change,
});

describe("two runs", () => {
  it("are equal when only names, time and invoice differ", () => {
    expect(differences([[receipt()], [receipt()], [receipt({ paymentHash: "cd".repeat(32) })]], SAME_REQUEST.leftOut)).toEqual({
      runs: 0,
      facts: [],
    });
  });

  const kept: readonly (readonly [keyof Receipt, Partial<Receipt>])[] = [
    ["kind", { kind: "denied" }],
    ["sequence", { sequence: 3 }],
    ["path", { path: "/many/2" }],
    ["code", { code: "no_route" }],
    ["amountMsat", { amountMsat: msat(1) }],
    ["feeMsat", { feeMsat: msat(2000) }],
    ["maxFeeMsat", { maxFeeMsat: null }],
    ["binding", { binding: "unverified" }],
    ["backend", { backend: "http-executor" }],
    ["epoch", { epoch: 2 }],
    ["policyVersion", { policyVersion: 2 }],
    ["budget", { budget: "other" }],
  ];
  it.each(kept)("differ by %s, and it is named", (name, change) => {
    expect(differences([[receipt()], [receipt(change)]], SAME_REQUEST.leftOut)).toEqual({ runs: 1, facts: [name] });
  });

  it("differ when one has a receipt more", () => {
    expect(differences([[receipt()], [receipt(), receipt()]], SAME_REQUEST.leftOut)).toMatchObject({
      runs: 1,
      facts: ["number of receipts"],
    });
  });

  it("in one wallet may differ in number, resource and the route's fee", () => {
    const other = receipt({ sequence: 9, path: "/many/7", feeMsat: msat(3000) });
    expect(differences([[receipt()], [other]], SAME_SHAPE.leftOut).runs).toBe(0);
    expect(differences([[receipt()], [receipt({ amountMsat: msat(9) })]], SAME_SHAPE.leftOut).runs).toBe(1);
  });
});

it("every fact is either projected or left out with a reason", () => {
  for (const { leftOut } of [SAME_REQUEST, SAME_SHAPE]) {
    const projected = Object.keys(JSON.parse(project(receipt(), leftOut)) as object);
    expect([...projected, ...Object.keys(leftOut)].toSorted()).toEqual(Object.keys(receipt()).toSorted());
    for (const why of Object.values(leftOut)) expect(why.length).toBeGreaterThan(5);
  }
});
