import { expect, it } from "vitest";
import { LOOKED_FOR, suspiciousLines } from "./log-scan.ts";

it.each([
  ["not implemented", "Error: [unenv] fs.readFileSync is not implemented yet!"],
  ["missing function", "Uncaught TypeError: arg0.then is not a function"],
  ["missing name", "ReferenceError: window is not defined"],
  ["global scope", "Error: Disallowed operation called within global scope. Asynchronous I/O …"],
  ["another request's object", "Error: Cannot perform I/O on behalf of a different Durable Object. I/O objects …"],
  ["hung promise", "The Workers runtime canceled this request because it detected that your Worker's code had hung"],
  ["panic", "panicked at library/core/src/option.rs:1: callbacks should be Some"],
  ["runtime compile", "CompileError: WebAssembly.Module(): Wasm code generation disallowed by embedder"],
  ["uncaught", "✘ [ERROR] Uncaught Error: internal error"],
  ["missing module", 'Error: No such module "node:worker_threads".'],
])("%s is found in a log", (what, line) => {
  expect(LOOKED_FOR).toContain(what);
  expect(suspiciousLines(`fine\n${line}\nfine`)).toEqual([{ what, line }]);
});

it("nothing is found where nothing is", () => {
  const log = [
    "[wrangler:info] POST /v1/fetch 200 OK (210ms)",
    '{"event":"spark_rescue","operationId":"x","taken":true}',
    "[wrangler:warn] Unable to fetch the `Request.cf` object! Falling back to a default placeholder...",
    "Error: getaddrinfo ENOTFOUND workers.cloudflare.com",
    "Scheduled Workers are not automatically triggered during local development.",
  ].join("\n");
  expect(suspiciousLines(log)).toEqual([]);
});
