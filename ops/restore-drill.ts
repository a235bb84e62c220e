/**
 * The drill (docs/custody.md): a deployment loses its key-encryption key; the wallet is restored from its age backup by another deployment
 * with another key; the old one is fenced by epoch, even when its key turns up again. Two Workers in raw workerd, one simulated node that
 * both pay through, and at the end a search of every answer, log and file for the words.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import { sats } from "../lightning/msat.ts";
import type { Policy } from "../lightning/policy.ts";
import { ChainCheck, readRecord } from "../lightning/receipt-check.ts";
import { GENESIS } from "../lightning/receipt.ts";
import type { RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import type { Sandbox } from "../sandbox/server.ts";
import { Api, type ApiAnswer } from "./api.ts";
import { sha256Hex } from "./local-state.ts";
import { openBackup, restoreWallet } from "./restore-backup.ts";

export interface DrillResult {
  readonly walletId: string;
  readonly stages: readonly { readonly name: string; readonly what: string }[];
  /** Payments that the node was asked for under each epoch's deployment. */
  readonly attempts: { readonly old: number; readonly restored: number; readonly oldAfterwards: number };
  /** From the loss to the first paid purchase of the restored wallet. */
  readonly recoveryMs: number;
}

/** What did not hold; one line. */
export class DrillFault extends Error {}

/** @param onStage told of each stage when it has held @throws DrillFault, or whatever went wrong */
export async function runDrill(onStage: (name: string, what: string) => void = () => undefined): Promise<DrillResult> {
  const root = mkdtempSync(join(tmpdir(), "lightning-drill-"));
  const { startSandbox } = await import("../sandbox/server.ts");
  const world = await startSandbox({ network: "regtest" });
  const deployments: Deployment[] = [];
  const stages: { readonly name: string; readonly what: string }[] = [];
  const stage = (name: string, what: string): void => {
    stages.push({ name, what });
    onStage(name, what);
  };
  try {
    const [old, other] = [new Deployment(join(root, "old"), world), new Deployment(join(root, "new"), world)];
    deployments.push(old, other);
    const key = newKek();
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const attempts = async (): Promise<number> => (await world.ledger()).attempts;

    await old.start(key);
    const made = await old.operate("POST", "/v1/wallets", { label: "drill", policy: old.policy(), backupRecipient: recipient });
    const walletId = String(made["walletId"]);
    const backup = String(made["backup"]);
    const agent = await old.agent(walletId);
    const bought = await old.buy(agent, "/many/1");
    must(bought.lightning.status === "paid", "the old deployment pays", bought);
    const paidByOld = await attempts();
    stage("before", `wallet ${walletId} with its backup; one purchase paid`);

    await old.stop();
    const lostAt = performance.now();
    await old.start(newKek());
    for (const path of ["/many/1", "/many/2"])
      must((await old.buy(agent, path)).code === "envelope_unopenable", "without its key the wallet hands out and pays nothing");
    must((await attempts()) === paidByOld, "the node was asked for nothing");
    const exported = await old.receipts(walletId);
    const highest = Math.max(...exported.map(({ epoch }) => epoch));
    stage("key lost", `nothing is paid; ${exported.length} receipts exported and verified, highest epoch ${highest}`);
    await old.stop();

    await other.start(newKek());
    const opened = await openBackup(backup, identity);
    if (!opened.ok) throw new DrillFault(opened.detail);
    const restored = await restoreWallet(other.api, other.operatorKey, opened, {
      epoch: highest + 1,
      label: "restored",
      policy: other.policy(),
      backupRecipient: recipient,
    });
    const again = restored.backup === null ? null : await openBackup(restored.backup, identity);
    must(
      again?.ok === true && again.mnemonic === opened.mnemonic && again.facts.walletId === walletId,
      "the restored wallet's own backup holds the same words",
    );
    const heir = await other.agent(walletId);
    must((await other.buy(heir, "/many/2")).lightning.status === "paid", "the restored wallet pays");
    const recoveryMs = performance.now() - lostAt;
    const paidByNew = (await attempts()) - paidByOld;
    const successors = await other.receipts(walletId);
    must(
      successors.every(({ epoch }) => epoch === restored.epoch),
      "its receipts carry the new epoch",
    );
    stage(
      "restored",
      `by another deployment with another key, epoch ${restored.epoch}; one purchase paid, ${successors.length} receipts verified`,
    );

    // The worst case: the key was not lost after all, and the old deployment comes back believing that the wallet is its own.
    await old.start(key);
    const refused = await old.buy(agent, "/many/3");
    must(
      refused.code === "spender_superseded" && (await old.lastState(walletId)) === "failed",
      "the payer refuses an order of the old epoch",
      refused,
    );
    const cached = await old.buy(agent, "/many/1");
    must(cached.lightning.status === "cached", "what it had paid is still delivered (invariant 11)", cached);
    await old.operate("POST", `/v1/wallets/${walletId}/fence`, { epoch: restored.epoch });
    // A new instance asks for the switches afresh; a running one would within 5 s (invariant 11).
    await old.stop();
    await old.start(key);
    const fenced = await old.buy(agent, "/many/4");
    must(
      fenced.code === "spender_superseded" && (await old.lastState(walletId)) === "denied",
      "fenced, it orders nothing any more",
      fenced,
    );
    const after = (await attempts()) - paidByOld - paidByNew;
    must(after === 0, "the node was asked for nothing by the old deployment", after);
    must((await other.buy(heir, "/many/5")).lightning.status === "paid", "the restored wallet goes on");
    stage("fenced", "the old deployment came back with its key and paid nothing");

    await Promise.all(deployments.map((deployment) => deployment.stop()));
    const found = search(root, [...old.answers, ...other.answers, old.log, other.log], opened.mnemonic);
    must(found.length === 0, "the words stand in no file, log or answer", found);
    stage("searched", "no word of the mnemonic in any answer, log or stored byte of both deployments");
    return { walletId, stages, attempts: { old: paidByOld, restored: paidByNew, oldAfterwards: after }, recoveryMs };
  } finally {
    await Promise.all(deployments.map((deployment) => deployment.stop()));
    await world.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** One Worker with a state folder and an operator of its own; its key-encryption key is given at each start. */
class Deployment {
  readonly answers: string[] = [];
  log = "";
  readonly operatorKey: string;
  readonly #dir: string;
  readonly #world: Sandbox;
  readonly #secret = randomBytes(32).toString("base64url");
  #worker: RunningWorkerd | null = null;
  #api: Api | null = null;

  constructor(dir: string, world: Sandbox) {
    this.#dir = dir;
    this.#world = world;
    this.operatorKey = `lwo.main.root.${this.#secret}`;
  }

  get api(): Api {
    if (this.#api === null) throw new Error("this deployment is down");
    return this.#api;
  }

  async start(kek: string): Promise<void> {
    const { startWorkerd } = await import("../sandbox/runtime/workerd.ts");
    const { sellerUrl, executorUrl, executorToken } = this.#world;
    this.#worker = await startWorkerd({
      dir: this.#dir,
      vars: {
        WALLET_KEK_V1: kek,
        LIGHTNING_OPERATOR_KEY_SHA256: sha256Hex(this.#secret),
        LIGHTNING_NETWORK: "regtest",
        WALLET_BACKEND: "http-executor",
        LIGHTNING_LOCAL_HOSTS: new URL(sellerUrl).host,
        OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: executorUrl,
        OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: executorToken,
      },
    });
    // The answer that carries a backup is searched too: it is sealed.
    this.#api = new Api(this.#worker.url, (request, answer) =>
      this.answers.push(JSON.stringify([request, [...answer.headers], answer.text])),
    );
  }

  async stop(): Promise<void> {
    const worker = this.#worker;
    this.#worker = this.#api = null;
    if (worker === null) return;
    await worker.close();
    this.log = worker.stderr();
  }

  operate(method: string, path: string, body?: unknown): Promise<Readonly<Record<string, unknown>>> {
    return this.api.expect(method, path, { key: this.operatorKey, ...(body === undefined ? {} : { body }) });
  }

  /** @returns the key of an agent that may spend on the wallet's one budget */
  async agent(walletId: string): Promise<string> {
    await this.operate("PUT", `/v1/wallets/${walletId}/budgets/drill`, { policy: this.policy() });
    return String((await this.operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "drill", label: "drill" }))["key"]);
  }

  buy(key: string, path: string): Promise<ApiAnswer> {
    return this.api.call("POST", "/v1/fetch", { key, body: { url: new URL(path, this.#world.sellerUrl).href } });
  }

  /** `failed`: an order left, and the payer refused it. `denied`: the object itself refused, and none left. */
  async lastState(walletId: string): Promise<string> {
    const { purchases } = (await this.operate("GET", `/v1/wallets/${walletId}/purchases?limit=1`)) as {
      readonly purchases: readonly { readonly state: string }[];
    };
    return purchases[0]?.state ?? "none";
  }

  /** The whole chain, checked. @throws DrillFault where it breaks */
  async receipts(walletId: string): Promise<readonly { readonly epoch: number }[]> {
    const { text } = await this.api.call("GET", `/v1/wallets/${walletId}/receipts?format=jsonl`, { key: this.operatorKey });
    const check = new ChainCheck(GENESIS);
    return text
      .trim()
      .split("\n")
      .map((line) => {
        const read = readRecord(line);
        if (!read.ok) throw new DrillFault(`a receipt cannot be read: ${read.why}`);
        const fault = check.next(read.record);
        if (fault !== null) throw new DrillFault(`the receipts do not verify: ${fault.why}`);
        return { epoch: read.record.receipt.epoch };
      });
  }

  policy(): Policy {
    return {
      perPaymentMsat: sats(100),
      hosts: { mode: "listed", allow: [new URL(this.#world.sellerUrl).host], block: [], unknown: "deny" },
      fee: { floorMsat: sats(5), ppm: 10_000 },
      opaqueTokens: "deny",
      network: "regtest",
    };
  }
}

const newKek = (): string => randomBytes(32).toString("base64");

function must(holds: boolean, expectation: string, seen?: unknown): asserts holds {
  if (!holds) throw new DrillFault(`${expectation}${seen === undefined ? "" : `, saw ${JSON.stringify(seen).slice(0, 300)}`}`);
}

/** Where three of the words stand in a row, or their base64: of every file below `root` and of each text. */
function search(root: string, texts: readonly string[], mnemonic: string): readonly string[] {
  const words = mnemonic.split(" ");
  const needles = [
    ...words.slice(2).map((_, index) => words.slice(index, index + 3).join(" ")),
    Buffer.from(mnemonic).toString("base64").slice(0, 24),
    Buffer.from(mnemonic).toString("hex").slice(0, 32),
  ];
  const holds = (bytes: Buffer): boolean => needles.some((needle) => bytes.includes(needle));
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  must(
    files.some(({ name }) => name.endsWith(".sqlite")),
    "there are databases to search",
  );
  return [
    ...files.map((entry) => join(entry.parentPath, entry.name)).filter((file) => holds(readFileSync(file))),
    ...texts.flatMap((text, index) => (holds(Buffer.from(text)) ? [`answer or log ${index}`] : [])),
  ];
}
