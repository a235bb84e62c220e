/** Brings a stage up: the sandbox with everything beside it, or this machine's Worker against a real network, or somebody else's Worker. */
import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { fundWallet } from "../../ops/fund-wallet.ts";
import { sha256Hex } from "../../ops/local-state.ts";
import { recordingProxy } from "../../test/support/recording-proxy.ts";
import { factsOf, type Environment } from "../environments.ts";
import { amountsOf } from "../thresholds.ts";
import { devWorker } from "./dev-worker.ts";
import { askForMoney } from "./ask-for-money.ts";
import { runFolder } from "./run-folder.ts";
import { sellerElsewhere, tollSeller } from "./sellers.ts";
import { sparkTap } from "./spark-tap.ts";
import { newOperatorSecret, Stage, type OwnWorld, type Seller } from "./stage.ts";

export interface StageOptions {
  readonly environment: Environment;
  /** Base URL of a Worker that runs elsewhere, and its operator's key. */
  readonly deployed: { readonly url: string; readonly operatorKey: string } | null;
  /** With `{n}` where a number makes a resource of its own. */
  readonly sellerTemplate: string | null;
  readonly breezApiKey: string | null;
  /** An `age` recipient for the backups of the wallets made; mainnet refuses to pay from a wallet without one. */
  readonly backupRecipient: string | null;
  /** Rejects when the run shall end early; never resolves. */
  readonly stopped: Promise<never>;
  readonly say: (line: string) => void;
}

export interface OpenStage {
  readonly stage: Stage;
  /** Other values for some of the Worker's variables, from its next start on. */
  readonly setVars: (change: Readonly<Record<string, string>>) => void;
  close(): Promise<void>;
}

/** @throws Error with one line when something does not start */
export async function openStage(options: StageOptions): Promise<OpenStage> {
  const { environment, deployed, say } = options;
  const { lightningNetwork: network } = factsOf(environment);
  const cleanup: (() => unknown)[] = [];
  const close = async (): Promise<void> => {
    for (const step of cleanup.splice(0).toReversed()) await step();
  };
  const walletExtras = options.backupRecipient === null ? {} : { backupRecipient: options.backupRecipient };
  const folder = runFolder(environment, say);
  cleanup.push(() => folder.leave());
  const common = { environment, network, amounts: amountsOf(environment), walletExtras, folder, say } as const;
  try {
    if (deployed !== null) {
      const seller = sellerElsewhere(options.sellerTemplate ?? "");
      const stage = new Stage({
        ...common,
        place: "deployed",
        operatorKey: deployed.operatorKey,
        deployedUrl: deployed.url,
        seller,
        worker: null,
        world: null,
        kek: null,
        fund: askForMoney,
      });
      return { stage, setVars: () => undefined, close };
    }
    const kek = randomBytes(32).toString("base64");
    // `.dev.vars` has it too, but for a while another one: gate 2 starts the system with a wrong key.
    folder.keep("WALLET_KEK_V1", kek);
    const secret = newOperatorSecret();
    const operatorKey = `lwo.main.root.${secret}`;
    const vars: Record<string, string> = {
      WALLET_KEK_V1: kek,
      LIGHTNING_OPERATOR_KEY_SHA256: sha256Hex(secret),
      LIGHTNING_NETWORK: network,
      WALLET_BACKEND: "spark-wasm",
      ...(options.breezApiKey === null ? {} : { BREEZ_API_KEY: options.breezApiKey }),
    };
    let world: OwnWorld | null = null;
    let stage: Stage | null = null;
    let seller: Seller;
    if (environment === "sandbox") {
      world = await ownWorld(cleanup);
      const proxy = await recordingProxy(world.sandbox.sellerUrl);
      cleanup.push(() => proxy.close());
      seller = {
        resource: (n) => `${proxy.url}/many/${n}`,
        host: new URL(proxy.url).host,
        ours: true,
        secrets: () => [...proxy.secrets()].map(([text, name]) => ({ name, text })),
        close: () => proxy.close(),
      };
      vars["SPARK_NETWORK_CONFIG"] = JSON.stringify(world.spark.networkAt(world.tap.url));
    } else if (options.sellerTemplate !== null) {
      seller = sellerElsewhere(options.sellerTemplate);
    } else {
      seller = await tollSeller(common.amounts.priceSats, () => {
        if (stage === null) throw new Error("the seller was asked before the Worker ran");
        return stage;
      });
      cleanup.push(() => seller.close());
    }
    if (network !== "mainnet" && new URL(seller.resource(0)).hostname === "127.0.0.1") vars["LIGHTNING_LOCAL_HOSTS"] = seller.host;
    const worker = devWorker(join(folder.path, "dev"), vars);
    cleanup.push(() => worker.end());
    say("  wrangler dev …");
    const ms = await Promise.race([worker.start(), options.stopped]);
    say(`  wrangler dev is up after ${Math.round(ms)} ms`);
    stage = new Stage({
      ...common,
      place: "wrangler-dev",
      operatorKey,
      deployedUrl: null,
      seller,
      worker,
      world,
      kek,
      fund: world === null ? askForMoney : fundFromSandbox(world),
    });
    return { stage, setVars: (change) => worker.setVars({ ...vars, ...change }), close };
  } catch (cause) {
    await close();
    throw cause;
  }
}

async function ownWorld(cleanup: (() => unknown)[]): Promise<OwnWorld> {
  const { startSandbox } = await import("../../sandbox/server.ts");
  const sandbox = await startSandbox({ network: "regtest", spark: { checks: "full" } });
  cleanup.push(() => sandbox.close());
  const { spark } = sandbox;
  if (spark === null) throw new Error("the sandbox has no Spark network");
  const tap = await sparkTap(spark.url);
  cleanup.push(() => tap.close());
  return { sandbox, spark, tap };
}

const fundFromSandbox =
  ({ spark }: OwnWorld) =>
  async (stage: Stage, walletId: string, amountSats: number): Promise<void> => {
    const before = (await stage.balanceMsat(walletId)) ?? 0;
    const { api, parts } = stage;
    await fundWallet({ api, operatorKey: parts.operatorKey, payInvoice: (bolt11) => spark.payInvoice(bolt11) }, walletId, amountSats);
    const after = (await stage.balanceMsat(walletId)) ?? 0;
    if (after - before !== amountSats * 1000) throw new Error(`${amountSats} sat were paid in, ${(after - before) / 1000} sat arrived`);
  };
