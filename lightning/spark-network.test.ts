import { expect, test } from "vitest";
import { isSparkNetwork, parseSparkNetwork } from "./spark-network.ts";

const key = (digit: string): string => `02${digit.repeat(64)}`;
const id = (n: number): string => n.toString(16).padStart(64, "0");
const good = {
  coordinator: id(1),
  threshold: 2,
  operators: [0, 1, 2].map((n) => ({
    id: n,
    identifier: id(n + 1),
    identityPublicKey: key(String(n + 1)),
    address: `http://127.0.0.1:900${n}/op${n}`,
  })),
  ssp: { baseUrl: "https://ssp.example/base", identityPublicKey: key("a") },
};
const parse = (change: object) => parseSparkNetwork(JSON.stringify({ ...good, ...change }));

test("a network of three operators is read, and the SSP's endpoint has a default", () => {
  const read = parse({});
  expect(read).toEqual({ ok: true, network: { ...good, ssp: { ...good.ssp, schemaEndpoint: "graphql/spark/rc" } } });
});

test.each([
  ["no JSON", "{", "is not JSON"],
  ["no object", "[]", "must be a JSON object"],
])("%s is refused", (_, text, detail) => {
  expect(parseSparkNetwork(text)).toEqual({ ok: false, detail });
});

test.each([
  ["no operators", { operators: [] }, ".operators must be"],
  ["an operator out of order", { operators: [{ ...good.operators[0], id: 1 }] }, ".operators[0].id must be 0"],
  ["a short identifier", { operators: [{ ...good.operators[0], identifier: "01" }] }, ".operators[0].identifier"],
  [
    "a key that is none",
    { operators: [{ ...good.operators[0], identityPublicKey: `04${"1".repeat(64)}` }] },
    ".operators[0].identityPublicKey",
  ],
  ["plain http beyond loopback", { operators: [{ ...good.operators[0], address: "http://operator.example" }] }, ".operators[0].address"],
  ["user info in an address", { operators: [{ ...good.operators[0], address: "https://a:b@operator.example" }] }, ".operators[0].address"],
  ["a coordinator that is no operator", { coordinator: id(9) }, ".coordinator"],
  ["a threshold above their number", { threshold: 4 }, ".threshold"],
  ["a threshold of none", { threshold: 0 }, ".threshold"],
  ["no SSP", { ssp: null }, ".ssp must be an object"],
  ["an SSP in clear text", { ssp: { ...good.ssp, baseUrl: "http://ssp.example" } }, ".ssp.baseUrl"],
  ["an SSP path that climbs", { ssp: { ...good.ssp, schemaEndpoint: "/../x" } }, ".ssp.schemaEndpoint"],
])("%s is refused by name, and no value is quoted", (_, change, detail) => {
  const read = parse(change);
  expect(read.ok).toBe(false);
  if (read.ok) return;
  expect(read.detail).toContain(detail);
  expect(read.detail).not.toMatch(/example|a:b/u);
});

test("Spark is on mainnet and regtest, and nowhere else", () => {
  expect((["mainnet", "testnet", "signet", "regtest"] as const).filter(isSparkNetwork)).toEqual(["mainnet", "regtest"]);
});
