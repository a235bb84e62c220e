/**
 * The canary scan of invariant 9 with the Spark payer, whose secrets are more: the wallet's words and seed reach a wasm heap, and the SDK keeps
 * invoices, preimages and session tokens of operators and SSP in a storage of its own, which is ours. Every one of them passes a tapped edge
 * or can be opened with the deployment's key; then all that the Worker ever answered, logged or stored is searched.
 */
import { randomUUID } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FlowContext, type Agent } from "../../ops/demo-flows/context.ts";
import { fundWallet } from "../../ops/fund-wallet.ts";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";
import { openWith, secretsOf } from "../../spike/rig/known-keys.ts";
import { sparkTap, type SparkTap } from "../../spike/rig/spark-tap.ts";
import { storedEnvelopes } from "../../spike/rig/stored.ts";
import { scan, type Secret } from "../support/canary.ts";
import { recordingProxy, type RecordingProxy } from "../support/recording-proxy.ts";

// The BIP39 test vector for entropy of 0x80 bytes: known to everybody, worth nothing, and easy to look for.
const MNEMONIC = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";
/** Longer than the order's deadline: what interrupted it ends then, and the alarm has brought it to an end. */
const PATIENCE_MS = 60_000;

const answers: string[] = [];
/** Keys and invoices, each in the one answer that is made to carry it. */
const shown: { readonly keys: string[]; readonly invoices: string[] } = { keys: [], invoices: [] };
let seller: RecordingProxy;
let spark: SparkTap;
let system: LocalSystem;

beforeAll(async () => {
  system = await startLocal({
    kind: "simulated",
    payer: "spark",
    stateDir: null,
    port: 0,
    through: async (name, url) => {
      if (name === "spark") return (spark = await sparkTap(url)).url;
      return (seller = await recordingProxy(url)).url;
    },
    observe: (request, answer) => {
      const text = JSON.stringify([request, [...answer.headers], answer.text]);
      const meant = /^POST .*\/keys$/u.test(request)
        ? answer.json?.["key"]
        : /^POST .*\/invoices$/u.test(request)
          ? answer.json?.["bolt11"]
          : null;
      if (typeof meant === "string") (meant.startsWith("ln") ? shown.invoices : shown.keys).push(meant);
      answers.push(typeof meant === "string" ? text.replaceAll(meant, "") : text);
    },
  });
});

afterAll(async () => {
  await system.close();
  await Promise.all([seller.close(), spark.close()]);
});

/** The same request again and again, as a careful client's, until it is neither pending nor unknown. @returns its last status */
async function bought(agent: Agent, path: string): Promise<string | null> {
  const idempotencyKey = randomUUID();
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    const { lightning, code } = await agent.fetch(path, { idempotencyKey });
    const isOpen = lightning.status === "pending" || code === "payment_unknown" || code === "payment_pending";
    if (!isOpen || performance.now() > until) return code ?? lightning.status;
  }
}

test("invariant 9: with Spark no secret is in any answer, log or stored byte: words, data key, preimages, session tokens, invoices", async () => {
  const context = new FlowContext(system);
  // One wallet whose words were made here, one whose words were brought.
  const made = await context.agent();
  const imported = await context.emptyHanded({}, { mnemonic: MNEMONIC });
  await fundWallet(system, imported.walletId, 500);
  const { faults } = system.spark!.sandbox;
  for (const agent of [made, imported]) expect(await bought(agent, "/joke")).toBe("paid");
  // The SSP refuses, and gives the money back.
  faults.payMode = "fail";
  expect(await bought(made, "/report").finally(() => (faults.payMode = "ok"))).toBe("payment_failed");
  // The operators hold the transfer, and the SSP hears of it neither at first nor when the SDK tries twice more: the rescue asks again.
  faults.add({ side: "ssp", call: "RequestLightningSend", times: 3, fault: { kind: "http_error", when: "before", status: 503 } });
  expect(["paid", "cached"]).toContain(await bought(imported, "/stream"));
  expect(system.worker.stderr()).toContain('"event":"spark_rescue"');
  // Sessions are forgotten, and made anew.
  system.spark!.sandbox.dropSessions();
  expect(await bought(made, "/stream")).toBe("paid");
  // A withdrawal, to what the seller asks for something that nobody buys.
  const { headers } = await fetch(new URL("/cheap/1", system.sellerUrl));
  const bolt11 = /invoice="([^"]+)"/u.exec(headers.get("www-authenticate") ?? "")?.[1] ?? "";
  const withdrawn = await context.operate("POST", `/v1/wallets/${made.walletId}/withdrawals`, {
    withdrawalId: randomUUID(),
    bolt11,
    maxFeeSats: 5,
  });
  expect(withdrawn["state"]).toBe("fulfilled");

  const receipts = await made.get("/v1/receipts");
  const publicFact: Secret[] = [
    { name: "payment hash", text: /"paymentHash":"([0-9a-f]{64})"/u.exec(JSON.stringify(receipts))?.[1] ?? "" },
  ];
  const allAnswers = Buffer.from(answers.join("\n"));
  // While it runs the newest rows are in the write-ahead log; after the end they are in the database.
  const running = storedBytes(system.worker.stateDir);
  await system.worker.close();
  const ended = storedBytes(system.worker.stateDir);
  const log = Buffer.from(system.worker.stderr());

  const secrets: Secret[] = [
    { name: "key-encryption key", text: system.keys.kek },
    { name: "operator secret", text: system.keys.operatorSecret },
    { name: "invoice", text: bolt11 },
    ...shown.keys.map((key) => ({ name: "agent key", text: key.split(".").at(-1) ?? key })),
    ...shown.invoices.map((text) => ({ name: "invoice", text })),
    ...[...seller.secrets()].map(([text, name]) => ({ name, text })),
    ...spark.secrets(),
  ];
  const envelopes = storedEnvelopes(system.worker.stateDir);
  for (const [walletId, { envelope }] of envelopes) {
    const opened = await openWith(system.keys.kek, envelope, { walletId, owner: "main", network: "regtest" });
    if (opened === null) throw new Error("an envelope does not open with the deployment's own key");
    secrets.push(...secretsOf(opened));
  }
  // A scan without canaries proves nothing.
  expect(envelopes.size).toBe(2);
  expect(secrets.map(({ text }) => text)).toContain(MNEMONIC);
  const count = (name: string): number => new Set(secrets.filter((secret) => secret.name === name).map(({ text }) => text)).size;
  const least = { mnemonic: 2, "data key": 2, seed: 2, macaroon: 5, "agent key": 2 };
  for (const [name, number] of Object.entries(least))
    expect([name, count(name)]).toEqual([name, expect.toSatisfy((n: number) => n >= number)]);
  // Two receives and five payments that settled; each wallet has a session with three operators and the SSP.
  expect(count("preimage")).toBeGreaterThanOrEqual(5);
  expect(count("invoice")).toBeGreaterThanOrEqual(8);
  expect(count("session token")).toBeGreaterThanOrEqual(8);

  expect(scan(log, secrets)).toEqual([]);
  for (const place of [allAnswers, running, ended]) {
    // The payment hash is public: the scan must be able to find it in what it reads.
    expect(scan(place, publicFact)).toEqual(["payment hash"]);
    expect(scan(place, secrets)).toEqual([]);
  }
}, 180_000);

/** Every file of the state folder: the Wallet's and the control plane's databases, their logs, the alarms. */
function storedBytes(dir: string): Buffer {
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return Buffer.concat(files.map((entry) => readFileSync(join(entry.parentPath, entry.name))));
}
