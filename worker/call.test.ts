import { expect, test } from "vitest";
import fc from "fast-check";
import { bodyCall, readSteering } from "./call.ts";

const RESUMED = "00000000-0000-4000-8000-000000000000";
const auth = { kind: "binding", budget: "b" } as const;

test("the headers that steer a purchase are read", () => {
  const headers = new Headers({
    "Idempotency-Key": "call-1",
    "Lightning-Max-Sats": "21",
    "Lightning-Subject": "user:1",
    "Lightning-Resume": RESUMED,
    "Lightning-Wait-Ms": "0",
  });
  expect(readSteering(headers)).toEqual({
    ok: true,
    value: { idempotencyKey: "call-1", maxMsat: 21_000, subject: "user:1", resume: RESUMED, waitMs: 0 },
  });
});

test("without them nothing is narrowed, and the caller waits longer than a payment may take", () => {
  const read = readSteering(new Headers());
  expect(read).toMatchObject({ ok: true, value: { idempotencyKey: null, maxMsat: null, subject: null, resume: null } });
  expect(read.ok && read.value.waitMs).toBeGreaterThan(30_000);
});

test("any text is either a whole positive number of satoshi or refused, and never repeated", () => {
  fc.assert(
    fc.property(fc.oneof(fc.string(), fc.integer().map(String), fc.double().map(String)), (text) => {
      const read = readSteering({ get: (name) => (name === "lightning-max-sats" ? text : null) });
      if (read.ok) expect([String((read.value.maxMsat ?? 0) / 1000), Number.isSafeInteger(read.value.maxMsat)]).toEqual([text, true]);
      else expect(read.detail).toBe("Lightning-Max-Sats: Expected a positive whole number of satoshi");
    }),
    { seed: 1, numRuns: 1000 },
  );
});

test("a body is sent as UTF-8 or as the bytes of its base64, and an empty one is a body too", () => {
  const steering = { idempotencyKey: null, maxMsat: null, subject: null, resume: null, waitMs: 0 };
  const call = (body: Parameters<typeof bodyCall>[1]) => bodyCall(auth, body, steering);
  expect(call({ url: "https://a.example/", headers: { "X-A": "b" } })).toEqual({
    auth,
    method: "GET",
    url: "https://a.example/",
    headers: [["X-A", "b"]],
    body: null,
    ...steering,
  });
  expect(call({ url: "u", method: "POST", body: "é" }).body).toEqual(Uint8Array.of(0xc3, 0xa9));
  expect(call({ url: "u", method: "POST", body: "" }).body).toEqual(new Uint8Array(0));
  expect(call({ url: "u", method: "POST", bodyBase64: "AP8=" }).body).toEqual(Uint8Array.of(0, 255));
});
