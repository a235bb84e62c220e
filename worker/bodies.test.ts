import { describe, expect, test } from "vitest";
import { fakeDoor } from "./door-fakes.ts";
import { at, named, refused, send } from "./door-tests.ts";

const writing = named.filter(([, route]) => route.body !== undefined);

describe.each(writing)("%s", (_name, route) => {
  test.each([
    ["broken JSON", { raw: '{"a":' }, "body: Expected JSON"],
    ["an empty body", { raw: "" }, "body: Expected JSON"],
    ["another content type", { raw: "a=b", headers: { "content-type": "application/x-www-form-urlencoded" } }, "Content-Type"],
    ["null", { raw: "null" }, "body: "],
    ["a list", { raw: "[]" }, "body: "],
    ["an unknown field", { raw: JSON.stringify({ ...route.body, extra: 1 }) }, "extra: "],
  ])("refuses %s", async (_what, sent, detail) => {
    const door = fakeDoor();
    const problem = await refused(await send(door, route, sent), "invalid_request", 400, door);
    expect(problem["detail"]).toContain(detail);
  });

  test("refuses a body over the cap, announced or not", async () => {
    const raw = JSON.stringify({ ...route.body, filler: "x".repeat(1_048_576) });
    const door = fakeDoor();
    await refused(await send(door, route, { raw, headers: { "content-length": String(raw.length) } }), "request_too_large", 413, door);
    await refused(await send(door, route, { raw }), "request_too_large", 413, door);
  });
});

const bad = named.flatMap(([name, route]) =>
  (route.bad ?? []).map(([body, field]) => [`${name} ${JSON.stringify(body).slice(0, 80)}`, route, body, field] as const),
);
test.each(bad)("%s is refused with the field's name and changes nothing", async (_name, route, body, field) => {
  const door = fakeDoor();
  const problem = await refused(await send(door, route, { raw: JSON.stringify(body) }), "invalid_request", 400, door);
  expect(String(problem["detail"])).toMatch(new RegExp(`^${field.replaceAll(".", "\\.")}`, "u"));
});

test.each([
  ["idempotency-key", ""],
  ["idempotency-key", "a b"],
  ["idempotency-key", "x".repeat(256)],
  ["idempotency-key", "ä"],
  ["lightning-max-sats", "0"],
  ["lightning-max-sats", "-1"],
  ["lightning-max-sats", "1.5"],
  ["lightning-max-sats", "1e3"],
  ["lightning-max-sats", "9007199254741"],
  ["lightning-max-sats", ""],
  ["lightning-subject", "a b"],
  ["lightning-subject", "x".repeat(129)],
  ["lightning-resume", ""],
  ["lightning-resume", "p-1"],
  ["lightning-resume", "00000000-0000-4000-8000-00000000000G"],
  ["lightning-wait-ms", "-1"],
  ["lightning-wait-ms", "121000"],
  ["lightning-wait-ms", "soon"],
])("a purchase with %s: %j is refused and changes nothing", async (name, value) => {
  for (const [, route] of named.slice(0, 2)) {
    const door = fakeDoor();
    const problem = await refused(await send(door, route, { headers: { [name]: value } }), "invalid_request", 400, door);
    expect(String(problem["detail"]).toLowerCase()).toContain(name);
  }
});

test.each([
  `${at}/receipts?after=-1`,
  `${at}/receipts?limit=0`,
  `${at}/receipts?limit=501`,
  `${at}/receipts?format=csv`,
  `${at}/receipts?owner=other`,
  `${at}/purchases?before=x`,
])("%s is an invalid query", async (path) => {
  const door = fakeDoor();
  await refused(await send(door, { who: "operator", method: "GET", path }), "invalid_request", 400, door);
});
