import { expect, it } from "vitest";
import { coverageOf } from "./canary-kinds.ts";

const keys = ["mnemonic", "data key"];
const bought = ["preimage", "macaroon", "invoice"];

it("with a seller of ours every secret of a purchase must have been seen", () => {
  expect(coverageOf({ tap: false, seller: true }, new Set(keys))).toEqual({ missing: bought, unknowable: [] });
  expect(coverageOf({ tap: false, seller: true }, new Set([...keys, ...bought]))).toEqual({ missing: [], unknowable: [] });
});

it("with a tap session tokens must have been seen too", () => {
  expect(coverageOf({ tap: true, seller: true }, new Set([...keys, ...bought]))).toEqual({ missing: ["session token"], unknowable: [] });
});

it("with a seller elsewhere and no tap nothing of a purchase can be known, and nothing of it is missing", () => {
  expect(coverageOf({ tap: false, seller: false }, new Set(keys))).toEqual({ missing: [], unknowable: bought });
  expect(coverageOf({ tap: false, seller: false }, new Set())).toEqual({ missing: keys, unknowable: bought });
});

it("a tap alone sees no macaroon", () => {
  expect(coverageOf({ tap: true, seller: false }, new Set(keys))).toEqual({
    missing: ["preimage", "invoice", "session token"],
    unknowable: ["macaroon"],
  });
});
