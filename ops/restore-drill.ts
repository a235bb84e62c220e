/**
 * The drill (docs/custody.md): a deployment loses its key-encryption key; the wallet is restored from its age backup by another deployment
 * with another key, its money whole; the old one is fenced by epoch, and pays nothing even when its key turns up again. Two Workers in raw
 * workerd on one world, and at the end a search of every answer, log and file for the words.
 * The two payers differ in one thing. An executor keeps the highest epoch itself and refuses the old deployment's orders; Spark's operators
 * know no epoch, and whoever has the words can spend. So with Spark the old deployment is fenced before the new one begins.
 */
import { randomBytes, randomUUID } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateX25519Identity, identityToRecipient } from "age-encryption";
import type { Sandbox } from "../sandbox/server.ts";
import { Deployment, DrillFault, must } from "./drill-deployment.ts";
import { fundWallet } from "./fund-wallet.ts";
import { satText } from "./output.ts";
import { openBackup, restoreWallet } from "./restore-backup.ts";
import type { PayerKind } from "./setup.ts";

const FUNDING_SATS = 1000;

export interface DrillResult {
  readonly walletId: string;
  readonly payer: PayerKind;
  readonly stages: readonly { readonly name: string; readonly what: string }[];
  /** Payments that the node was asked for by each deployment: before the loss, after the restore, and by the old one from then on. */
  readonly attempts: { readonly old: number; readonly restored: number; readonly oldAfterwards: number };
  /** What the wallet could spend before the loss and as restored, msat; null where the money is not the wallet's own. */
  readonly funds: { readonly beforeMsat: number; readonly restoredMsat: number } | null;
  /** From the loss to the first paid purchase of the restored wallet. */
  readonly recoveryMs: number;
}

/** @param onStage told of each stage when it has held @throws DrillFault, or whatever went wrong */
export async function runDrill(payer: PayerKind, onStage: (name: string, what: string) => void = () => undefined): Promise<DrillResult> {
  const root = mkdtempSync(join(tmpdir(), "lightning-drill-"));
  const { startSandbox } = await import("../sandbox/server.ts");
  const world = await startSandbox({ network: "regtest", ...(payer === "spark" ? { spark: { checks: "full" } as const } : {}) });
  const [old, other] = [new Deployment(join(root, "old"), world), new Deployment(join(root, "new"), world)];
  const stages: { readonly name: string; readonly what: string }[] = [];
  const stage = (name: string, what: string): void => {
    stages.push({ name, what });
    onStage(name, what);
  };
  try {
    const key = newKek();
    const identity = await generateX25519Identity();
    const recipient = await identityToRecipient(identity);
    const attempts = (): Promise<number> => askedFor(world);

    await old.start(key);
    const made = await old.operate("POST", "/v1/wallets", { label: "drill", policy: old.policy(), backupRecipient: recipient });
    const walletId = String(made["walletId"]);
    const backup = String(made["backup"]);
    const agent = await old.agent(walletId);
    if (world.spark !== null) await fundWallet({ ...old, api: old.api, payInvoice: world.spark.payInvoice }, walletId, FUNDING_SATS);
    const bought = await old.buy(agent, "/many/1");
    must(bought.lightning.status === "paid", "the old deployment pays", bought);
    const paidByOld = await attempts();
    const beforeMsat = world.spark === null ? null : await old.spendable(walletId);
    const has = beforeMsat === null ? "" : `; ${satText(beforeMsat)} left in it`;
    stage("before", `wallet ${walletId} with its backup; one purchase paid${has}`);

    await old.stop();
    const lostAt = performance.now();
    await old.start(newKek());
    for (const path of ["/many/1", "/many/2"])
      must((await old.buy(agent, path)).code === "envelope_unopenable", "without its key the wallet hands out and pays nothing");
    must((await attempts()) === paidByOld, "the node was asked for nothing");
    const exported = await old.receipts(walletId);
    const highest = Math.max(...exported.map(({ epoch }) => epoch));
    stage("key lost", `nothing is paid; ${exported.length} receipts exported and verified, highest epoch ${highest}`);
    const epoch = highest + 1;
    const fence = (): Promise<unknown> => old.operate("POST", `/v1/wallets/${walletId}/fence`, { epoch });
    if (payer === "spark") {
      await fence();
      stage("fenced", `the old deployment, which answers without its key, is behind epoch ${epoch} before another one has the words`);
    }
    await old.stop();

    await other.start(newKek());
    const opened = await openBackup(backup, identity);
    if (!opened.ok) throw new DrillFault(opened.detail);
    const restored = await restoreWallet(other.api, other.operatorKey, opened, {
      epoch,
      label: "restored",
      policy: other.policy(),
      backupRecipient: recipient,
    });
    const again = restored.backup === null ? null : await openBackup(restored.backup, identity);
    must(
      again?.ok === true && again.mnemonic === opened.mnemonic && again.facts.walletId === walletId,
      "the restored wallet's own backup holds the same words",
    );
    const funds = beforeMsat === null ? null : await fundsWhole(world, beforeMsat, await other.spendable(walletId));
    const heir = await other.agent(walletId);
    must((await other.buy(heir, "/many/2")).lightning.status === "paid", "the restored wallet pays");
    const recoveryMs = performance.now() - lostAt;
    const paidByNew = (await attempts()) - paidByOld;
    const successors = await other.receipts(walletId);
    must(
      successors.every((receipt) => receipt.epoch === restored.epoch),
      "its receipts carry the new epoch",
    );
    stage(
      "restored",
      `by another deployment with another key, epoch ${restored.epoch}${funds === null ? "" : `, ${satText(funds.restoredMsat)} whole`}; one purchase paid, ${successors.length} receipts verified`,
    );

    // The worst case: the key was not lost after all, and the old deployment comes back believing that the wallet is its own.
    await old.start(key);
    if (payer === "executor") {
      const refused = await old.buy(agent, "/many/3");
      must(
        refused.code === "spender_superseded" && (await old.lastState(walletId)) === "failed",
        "the payer refuses an order of the old epoch",
        refused,
      );
    }
    const cached = await old.buy(agent, "/many/1");
    must(cached.lightning.status === "cached", "what it had paid is still delivered (invariant 11)", cached);
    if (payer === "executor") {
      await fence();
      // A new instance asks for the switches afresh; a running one would within 5 s (invariant 11).
      await old.stop();
      await old.start(key);
    }
    const fenced = await old.buy(agent, "/many/4");
    must(
      fenced.code === "spender_superseded" && (await old.lastState(walletId)) === "denied",
      "fenced, it orders nothing any more",
      fenced,
    );
    const taken = await old.api.call("POST", `/v1/wallets/${walletId}/withdrawals`, {
      key: old.operatorKey,
      body: { withdrawalId: randomUUID(), bolt11: await someInvoice(world), maxFeeSats: 5 },
    });
    must(taken.code === "spender_superseded", "nor does it pay out", taken);
    const after = (await attempts()) - paidByOld - paidByNew;
    must(after === 0, "the node was asked for nothing by the old deployment", after);
    must((await other.buy(heir, "/many/5")).lightning.status === "paid", "the restored wallet goes on");
    stage(payer === "executor" ? "fenced" : "returned", "the old deployment came back with its key and paid nothing");

    await Promise.all([old.stop(), other.stop()]);
    const found = search(root, [...old.answers, ...other.answers, old.log, other.log], opened.mnemonic);
    must(found.length === 0, "the words stand in no file, log or answer", found);
    stage("searched", "no word of the mnemonic in any answer, log or stored byte of both deployments");
    return { walletId, payer, stages, attempts: { old: paidByOld, restored: paidByNew, oldAfterwards: after }, funds, recoveryMs };
  } finally {
    await Promise.all([old.stop(), other.stop()]);
    await world.close();
    rmSync(root, { recursive: true, force: true });
  }
}

/** What was asked of whoever pays: the node's own count, and on Spark the leaves that were locked for an invoice, paid or not. */
async function askedFor(world: Sandbox): Promise<number> {
  const { attempts } = await world.ledger();
  if (world.spark === null) return attempts;
  const ssp = world.spark.sandbox.config.ssp.identityPublicKey;
  return Math.max(attempts, world.spark.sandbox.ledger().htlcs.filter(({ receiver }) => receiver === ssp).length);
}

/** The same money, the same wallet: the operators know one owner, and what it has is what both deployments said. */
async function fundsWhole(world: Sandbox, beforeMsat: number, restoredMsat: number): Promise<DrillResult["funds"]> {
  must(restoredMsat === beforeMsat, "the restored wallet has what the lost one had", { beforeMsat, restoredMsat });
  const owners = world.spark?.sandbox.ledger().owners.filter(({ ssp }) => !ssp) ?? [];
  must(owners.length === 1, "to the operators both deployments are one wallet", owners.length);
  must(owners[0]?.availableSats === restoredMsat / 1000, "the operators' book agrees", owners[0]?.availableSats);
  const differences = world.spark?.sandbox.check() ?? [];
  must(differences.length === 0, "the operators' books are whole", differences);
  return { beforeMsat, restoredMsat };
}

/** Of a node outside: what the seller asks for something that nobody here buys. */
async function someInvoice({ sellerUrl }: Sandbox): Promise<string> {
  const { headers } = await fetch(new URL("/many/6", sellerUrl));
  return /invoice="([^"]+)"/u.exec(headers.get("www-authenticate") ?? "")?.[1] ?? "";
}

const newKek = (): string => randomBytes(32).toString("base64");

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
