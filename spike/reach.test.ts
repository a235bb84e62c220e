import { expect, it } from "vitest";
import { probe, type Get } from "./reach.ts";

const answer = (behave: Get) => probe(["a.example"], behave, 1000);

it.each([200, 404, 415, 500])("an answer of %d is somebody", async (status) => {
  expect(await answer(() => Promise.resolve({ status }))).toEqual([{ host: "a.example", reachable: true }]);
});

it.each([407, 502, 503, 504])("an answer of %d comes from somebody on the way", async (status) => {
  expect(await answer(() => Promise.resolve({ status }))).toEqual([{ host: "a.example", reachable: false, why: `HTTP ${status}` }]);
});

it("a name that does not resolve is told by its code", async () => {
  const cause = Object.assign(new Error("getaddrinfo"), { code: "ENOTFOUND" });
  expect(await answer(() => Promise.reject(new TypeError("fetch failed", { cause })))).toEqual([
    { host: "a.example", reachable: false, why: "ENOTFOUND" },
  ]);
});

it("silence ends with the deadline", async () => {
  const hang: Get = (_url, { signal }) =>
    new Promise((_done, fail) => signal.addEventListener("abort", () => fail(signal.reason as Error)));
  expect(await probe(["a.example", "b.example"], hang, 20)).toEqual([
    { host: "a.example", reachable: false, why: "no answer in time" },
    { host: "b.example", reachable: false, why: "no answer in time" },
  ]);
});

it("asks over https, does not follow a redirect, and asks all at once", async () => {
  const asked: string[] = [];
  const get: Get = (url, { redirect }) => {
    asked.push(`${url} ${redirect}`);
    return Promise.resolve({ status: 301 });
  };
  await probe(["a.example", "b.example"], get, 1000);
  expect(asked).toEqual(["https://a.example/ manual", "https://b.example/ manual"]);
});
