/** The rig's own instruments: what measures must be seen to measure. */
import { createServer } from "node:http";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { AddressInfo } from "node:net";
import { DatabaseSync } from "node:sqlite";
import { afterEach, describe, expect, it } from "vitest";
import type { Envelope } from "../../lightning/envelope.ts";
import { withoutSecrets } from "./dev-worker.ts";
import { searchHeap, needlesOf } from "./heap.ts";
import { quantile } from "./measured.ts";
import { isAlive, processTree, residentBytes } from "./processes.ts";
import { busyMs } from "./scripts.ts";
import { sparkTap } from "./spark-tap.ts";
import { flipped, replaceEnvelope, storedEnvelopes } from "./stored.ts";
import { withVariables, wranglerFile, WRANGLER_FILES } from "./wrangler-files.ts";

const cleanup: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of cleanup.splice(0).toReversed()) await step();
});
const onLinux = process.platform === "linux";

describe.runIf(onLinux)("processes", () => {
  it("knows itself, alive and of some size", () => {
    expect(processTree(process.pid)[0]).toMatchObject({ pid: process.pid, parent: process.ppid });
    expect(residentBytes(process.pid)).toBeGreaterThan(10_000_000);
    expect(isAlive(process.pid)).toBe(true);
  });
  it("takes a pid that nobody has for dead", () => {
    expect([isAlive(2 ** 22 + 1), residentBytes(2 ** 22 + 1), processTree(2 ** 22 + 1)]).toEqual([false, null, []]);
  });
});

describe.runIf(onLinux)("the search of a process's memory", () => {
  // Not a literal: it would be in the source text, which is in memory as well.
  const made = (letter: string): string => Array.from({ length: 40 }, (_, n) => letter + String(n % 10)).join("");
  it("finds what is there, and the control, in bytes and in both widths of text", () => {
    const held = Buffer.from(made("k"), "latin1");
    const wide = Buffer.from(made("w"), "utf16le");
    const control = Buffer.from(made("c"));
    const finding = searchHeap([process.pid], [...needlesOf("held", made("k")), ...needlesOf("wide", made("w"))], made("c"));
    expect(finding).toMatchObject({ found: ["held", "wide"], controlSeen: true });
    expect(held.byteLength + wide.byteLength + control.byteLength).toBe(320);
  });
  it("says that it could not, where there is no such process", () => {
    expect(searchHeap([2 ** 22 + 1], needlesOf("x", "x".repeat(32)), "y".repeat(32))).toBeNull();
    expect(searchHeap([], needlesOf("x", "x".repeat(32)), "y".repeat(32))).toBeNull();
  });
});

it("a profile's idle time is not counted", () => {
  const nodes = ["(root)", "(idle)", "(program)", "main"].map((functionName, id) => ({ id, callFrame: { functionName } }));
  expect(busyMs({ nodes, samples: [1, 2, 3, 1], timeDeltas: [50_000, 2000, 3000, 10_000] })).toBe(5);
});

it("a quantile is a value that was measured", () => {
  expect([quantile([3, 1, 2], 0.5), quantile([1, 2, 3, 4], 0.95), quantile([7], 0.5)]).toEqual([2, 4, 7]);
  expect(() => quantile([], 0.5)).toThrow("nothing was measured");
});

describe("the tap", () => {
  it("counts by name and remembers tokens, preimages and invoices, and changes nothing", async () => {
    const invoice = `lnbcrt${"1".repeat(60)}`;
    const preimage = "5a".repeat(32);
    const server = createServer((request, response) => {
      const graphql = request.url?.includes("graphql") === true;
      response
        .writeHead(200, graphql ? { "content-type": "application/json" } : { "grpc-status": "5" })
        .end(graphql ? JSON.stringify({ data: { lightning_send_payment_preimage: preimage } }) : "");
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    cleanup.push(() => server.close());
    const tap = await sparkTap(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
    cleanup.push(() => tap.close());
    const rpc = await fetch(`${tap.url}/op0/spark.SparkService/query_nodes`, {
      method: "POST",
      headers: { authorization: "token-of-an-operator" },
    });
    expect(rpc.headers.get("grpc-status")).toBe("5");
    const answer = await fetch(`${tap.url}/ssp/graphql/spark/rc`, {
      method: "POST",
      headers: { authorization: "Bearer token-of-the-ssp-0001" },
      body: JSON.stringify({ operationName: "RequestLightningSend", variables: { input: { encoded_invoice: invoice } } }),
    });
    expect(await answer.json()).toEqual({ data: { lightning_send_payment_preimage: preimage } });
    expect([...tap.counts()]).toEqual([
      ["query_nodes", 1],
      ["RequestLightningSend", 1],
    ]);
    expect(tap.secrets().toSorted((a, b) => a.text.localeCompare(b.text))).toEqual(
      [
        { name: "preimage", text: preimage },
        { name: "invoice", text: invoice },
        { name: "session token", text: "token-of-an-operator" },
        { name: "session token", text: "token-of-the-ssp-0001" },
      ].toSorted((a, b) => a.text.localeCompare(b.text)),
    );
  });
});

describe("stored envelopes", () => {
  it("are read, replaced and changed by one byte", () => {
    const dir = mkdtempSync(join(tmpdir(), "lightning-worker-stored-"));
    cleanup.push(() => rmSync(dir, { recursive: true }));
    const envelope = { kekVersion: "v1", ciphertext: Buffer.from("ciphertext").toString("base64") } as Envelope;
    const file = join(dir, "control.sqlite");
    const db = new DatabaseSync(file);
    db.exec("CREATE TABLE envelope (wallet_id TEXT PRIMARY KEY, kek_version TEXT NOT NULL, document TEXT NOT NULL)");
    db.prepare("INSERT INTO envelope VALUES ('w_a', 'v1', ?)").run(JSON.stringify(envelope));
    db.close();
    expect(storedEnvelopes(dir).get("w_a")).toEqual({ file, envelope });
    const changed = flipped(envelope);
    expect(Buffer.from(changed.ciphertext, "base64").toString()).toBe("biphertext");
    replaceEnvelope(file, "w_a", changed);
    expect(storedEnvelopes(dir).get("w_a")?.envelope).toEqual(changed);
    expect(() => replaceEnvelope(file, "w_b", changed)).toThrow("no such envelope");
  });
});

it("wrangler inherits the environment, but none of the rig's secrets", () => {
  const secrets = { SPIKE_MNEMONIC: "words", BREEZ_API_KEY: "key", LIGHTNING_OPERATOR_KEY: "lwo.a.b.c" };
  const rest = withoutSecrets({ ...process.env, ...secrets });
  for (const name of Object.keys(secrets)) expect(rest).not.toHaveProperty(name);
  expect(rest["PATH"]).toBe(process.env["PATH"]);
});

describe("the wrangler files for a run", () => {
  it.each(WRANGLER_FILES)("%s names its code by an absolute path where it is looked at from elsewhere", (file) => {
    expect(/^main = "(.+)"$/mu.exec(wranglerFile(file))?.[1]?.startsWith("/")).toBe(true);
  });
  it.each(WRANGLER_FILES)("%s names every variable that .dev.vars will give, and none twice", (file) => {
    const text = withVariables(wranglerFile(file), ["SPARK_NETWORK_CONFIG", "WALLET_KEK_V1", "LIGHTNING_NETWORK"]);
    expect(text.match(/^SPARK_NETWORK_CONFIG = ""$/gmu)).toHaveLength(1);
    // A secret that the file requires, and a variable that it has.
    expect(text).not.toMatch(/^WALLET_KEK_V1 = /mu);
    expect(text.match(/^LIGHTNING_NETWORK = /gmu)).toHaveLength(1);
  });
});
