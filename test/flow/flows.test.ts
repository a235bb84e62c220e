/**
 * Every flow of the demo as a test, on one system, and then the canary scan of invariant 9 over all that this system ever answered, logged
 * or stored. The secrets come from recording proxies at the two edges where they must pass; the scan looks everywhere else.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FLOWS, runFlow } from "../../ops/demo-flows/all.ts";
import { FlowContext } from "../../ops/demo-flows/context.ts";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";
import { scan, type Secret } from "../support/canary.ts";
import { recordingProxy, type RecordingProxy } from "../support/recording-proxy.ts";

// The BIP39 test vector for entropy of 0x80 bytes: known to everybody, worth nothing, and easy to look for.
const MNEMONIC = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";

const proxies: RecordingProxy[] = [];
const answers: string[] = [];
/** The one answer that may carry a key's secret is the one that made the key. */
const keysShown: string[] = [];
let system: LocalSystem;

beforeAll(async () => {
  system = await startLocal({
    kind: "simulated",
    payer: "executor",
    stateDir: null,
    port: 0,
    through: async (_name, url) => {
      const proxy = await recordingProxy(url);
      proxies.push(proxy);
      return proxy.url;
    },
    observe: (request, answer) => {
      const key = /^POST .*keys$/u.test(request) ? answer.json?.["key"] : undefined;
      if (typeof key === "string") keysShown.push(key);
      const text = JSON.stringify([request, [...answer.headers], answer.text]);
      answers.push(typeof key === "string" ? text.replaceAll(key, "") : text);
    },
  });
});

afterAll(async () => {
  await system.close();
  await Promise.all(proxies.map((proxy) => proxy.close()));
});

test.each(FLOWS.map((flow) => [flow.claim, flow] as const))("%s", async (_claim, flow) => {
  const result = await runFlow(flow, system);
  expect(result, result.what).toMatchObject({ outcome: "ok" });
});

test("invariant 9: no secret is in any answer, log or stored byte after all flows", async () => {
  const context = new FlowContext(system);
  const imported = await context.agent({}, { mnemonic: MNEMONIC });
  const bought = await imported.fetch("/joke");
  // A seller that takes the money and refuses its credential, one that breaks, one whose challenge cannot be read: answers of our own.
  for (const path of ["/refuses", "/fails", "/broken", "/opaque", "/amountless", "/nowhere"]) await imported.fetch(path);
  expect(bought.lightning.status).toBe("paid");

  const secrets: Secret[] = [
    { name: "mnemonic", text: MNEMONIC },
    { name: "mnemonic's words in pairs", text: MNEMONIC.split(" ").slice(0, 3).join(" ") },
    { name: "key-encryption key", text: system.keys.kek },
    { name: "operator secret", text: system.keys.operatorSecret },
    { name: "executor token", text: system.executorToken },
    ...keysShown.map((key) => ({ name: "agent key", text: key.split(".").at(-1) ?? key })),
  ];
  const seen = { macaroon: 0, invoice: 0, preimage: 0, bearer: 0 };
  for (const [text, kind] of new Map(proxies.flatMap((proxy) => [...proxy.secrets()]))) {
    seen[kind]++;
    secrets.push({ name: kind, text });
  }
  // A scan without canaries proves nothing.
  expect(
    Object.values(seen).every((count) => count > 0),
    JSON.stringify(seen),
  ).toBe(true);
  expect(keysShown.length).toBeGreaterThan(0);

  // The payment hash is public: the scan must be able to find it in what it reads, as text and as stored.
  const receipts = await imported.get("/v1/receipts");
  const hash = /"paymentHash":"([0-9a-f]{64})"/u.exec(JSON.stringify(receipts))?.[1] ?? "";
  const publicFact: Secret[] = [{ name: "payment hash", text: hash }];

  const allAnswers = Buffer.from(answers.join("\n"));
  expect(scan(allAnswers, publicFact)).toEqual(["payment hash"]);
  expect(scan(allAnswers, secrets)).toEqual([]);
  expect(scan(Buffer.from(system.worker.stderr()), secrets)).toEqual([]);
  // While it runs the newest rows are in the write-ahead log; after the end they are in the database.
  const running = storedBytes(system.worker.stateDir);
  await system.worker.close();
  const ended = storedBytes(system.worker.stateDir);
  for (const stored of [running, ended]) {
    expect(scan(stored, publicFact)).toEqual(["payment hash"]);
    expect(scan(stored, secrets)).toEqual([]);
  }
});

/** Every file of the state folder: the Wallet's and the control plane's databases, their logs, the alarms. */
function storedBytes(dir: string): Buffer {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Buffer.concat(files.map((entry) => readFileSync(join(entry.parentPath, entry.name))));
}
