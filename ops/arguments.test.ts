import { expect, test } from "vitest";
import { readFlags, readPort } from "./arguments.ts";

const kinds = { json: "boolean", port: "string" } as const;

test("flags are read in both forms and default to false and null", () => {
  expect(readFlags(["--json", "--port", "7"], kinds)).toEqual({ ok: true, flags: { json: true, port: "7" } });
  expect(readFlags(["--port=7"], kinds)).toEqual({ ok: true, flags: { json: false, port: "7" } });
});

test.each([[["--nope"]], [["word"]], [["--json=1"]], [["--port"]], [["--port="]], [["--port", "--json"]], [["--toString"]]])(
  "%j is refused with one line",
  (argv) => {
    const result = readFlags(argv, kinds);
    expect(result.ok).toBe(false);
    if (!result.ok) expect(result.line).not.toContain("\n");
  },
);

test("a port is a whole number up to 65535", () => {
  expect(["0", "4020", "65535"].map(readPort)).toEqual([0, 4020, 65_535]);
  expect(["-1", "65536", "1e3", "", "4020x"].map(readPort)).toEqual([null, null, null, null, null]);
});
