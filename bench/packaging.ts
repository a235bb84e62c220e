/**
 * One script or two: what the SDK's wasm costs where it lies in the front door's own script, and what a second script costs instead. Both run
 * in raw workerd on the same sandbox, turn by turn, so that a busy minute of the machine meets both. Bundling is not in any time: on Cloudflare
 * the script lies there already. One difference is made up for: on Cloudflare each script starts by itself, when it is asked for, while workerd
 * loads all before it listens; so the front door's own start is measured with an empty vault beside it (empty-vault/).
 */
import { createHash, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { gzipSync } from "node:zlib";
import { Api } from "../ops/api.ts";
import { fundWallet } from "../ops/fund-wallet.ts";
import { ONE_SCRIPT, startWorkerd, TWO_SCRIPTS, type RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import { wranglerFacts } from "../sandbox/runtime/wrangler-facts.ts";
import { startSandbox, type Sandbox } from "../sandbox/server.ts";
import type { SparkWorld } from "../sandbox/spark-world.ts";
import type { Figure } from "./figures.ts";
import { quantile } from "./load.ts";
import { workerSize } from "./worker-size.ts";

const EMPTY_VAULT = join(import.meta.dirname, "empty-vault/wrangler.toml");

export interface ScriptSize {
  readonly name: string;
  /** Minified code and wasm together. */
  readonly rawBytes: number;
  readonly gzipBytes: number;
}

/** Times are medians, ms, each from the start of the process. */
export interface PackagingShape {
  readonly scripts: readonly ScriptSize[];
  /** Until `/v1/health` answered: the script with the front door alone. */
  readonly healthMs: number;
  /** Until a wallet's own object answered. */
  readonly firstWalletCallMs: number;
  /** Until a resource was bought with a wallet that is cold in every respect: process, isolate, object, wasm, sync. */
  readonly coldPurchaseMs: number;
}

export interface Packaging {
  readonly ranAt: string;
  readonly one: PackagingShape;
  readonly two: PackagingShape;
}

/** @param times starts of each kind @throws Error with one line when something does not start or a purchase fails */
export async function measurePackaging(times: number): Promise<Packaging> {
  const sandbox = await startSandbox({ network: "regtest", spark: { checks: "full" } });
  const { spark } = sandbox;
  const shapes: Shape[] = [];
  try {
    if (spark === null) throw new Error("the sandbox has no Spark network");
    shapes.push(await prepare(sandbox, spark, ONE_SCRIPT, ONE_SCRIPT));
    shapes.push(await prepare(sandbox, spark, TWO_SCRIPTS, [...TWO_SCRIPTS.slice(0, 1), EMPTY_VAULT]));
    for (let n = 0; n < times; n++) for (const shape of shapes) await shape.measure();
    const [one, two] = await Promise.all(shapes.map((shape) => shape.result()));
    if (one === undefined || two === undefined) throw new Error("nothing was measured");
    return { ranAt: new Date().toISOString(), one, two };
  } finally {
    for (const shape of shapes) shape.remove();
    await sandbox.close();
  }
}

interface Shape {
  measure(): Promise<void>;
  result(): Promise<PackagingShape>;
  remove(): void;
}

/** A folder with a wallet in it that has money, and the bundles. @param door what starts when only the front door is asked */
async function prepare(sandbox: Sandbox, spark: SparkWorld, scripts: readonly string[], door: readonly string[]): Promise<Shape> {
  const dir = mkdtempSync(join(tmpdir(), "lightning-worker-packaging-"));
  const secret = randomBytes(32).toString("base64url");
  const operatorKey = `lwo.main.root.${secret}`;
  const vars = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
    WALLET_BACKEND: "spark-wasm",
    SPARK_NETWORK_CONFIG: JSON.stringify(spark.networkAt()),
    LIGHTNING_LOCAL_HOSTS: new URL(sandbox.sellerUrl).host,
  };
  const [healths, walletCalls, purchases]: [number[], number[], number[]] = [[], [], []];
  const start = (folder: string, wrangler: readonly string[]): Promise<RunningWorkerd> =>
    startWorkerd({ dir: join(dir, folder), vars, wrangler, reuseBundle: true });

  /** One fresh process; `work` gets its address, and how long it has been there. */
  const fresh = async <T>(work: (api: Api, sinceStart: () => number) => Promise<T>, folder = "whole", wrangler = scripts): Promise<T> => {
    const began = performance.now();
    const worker = await start(folder, wrangler);
    try {
      return await work(new Api(worker.url), () => performance.now() - began);
    } finally {
      await worker.kill("SIGKILL");
    }
  };

  let bought = 0;
  const { walletId, key } = await fresh(async (api) => {
    const rule = { preset: "starter", allow: [new URL(sandbox.sellerUrl).host] };
    const operate = (method: string, path: string, body: unknown) => api.expect(method, path, { key: operatorKey, body });
    const wallet = String((await operate("POST", "/v1/wallets", rule))["walletId"]);
    await operate("PUT", `/v1/wallets/${wallet}/budgets/bench`, rule);
    const made = await operate("POST", `/v1/wallets/${wallet}/keys`, { budget: "bench" });
    await fundWallet({ api, operatorKey, payInvoice: (bolt11) => spark.payInvoice(bolt11) }, wallet, 1000);
    return { walletId: wallet, key: String(made["key"]) };
  });

  // The first start of a folder bundles.
  await fresh((api) => api.expect("GET", "/v1/health"), "door", door);
  return {
    measure: async () => {
      await fresh(
        async (api, sinceStart) => {
          await api.expect("GET", "/v1/health");
          healths.push(sinceStart());
        },
        "door",
        door,
      );
      await fresh(async (api, sinceStart) => {
        await api.expect("GET", `/v1/wallets/${walletId}`, { key: operatorKey });
        walletCalls.push(sinceStart());
      });
      await fresh(async (api, sinceStart) => {
        // Each of these is a resource of its own: nothing is cached.
        const url = new URL(`/many/${++bought}`, sandbox.sellerUrl).href;
        const answer = await api.call("POST", "/v1/fetch", { key, body: { url } });
        if (answer.lightning.status !== "paid") throw new Error(`a cold purchase ended as ${answer.code ?? answer.status}`);
        purchases.push(sinceStart());
      });
    },
    result: async () => ({
      scripts: await Promise.all(scripts.map(sizeOf)),
      healthMs: quantile(healths, 0.5),
      firstWalletCallMs: quantile(walletCalls, 0.5),
      coldPurchaseMs: quantile(purchases, 0.5),
    }),
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}

/** As `wrangler deploy --minify` would upload it. */
async function sizeOf(wrangler: string): Promise<ScriptSize> {
  const { name, main } = wranglerFacts(readFileSync(wrangler, "utf8"));
  const { minifiedBytes, gzipBytes, wasm } = await workerSize(resolve(dirname(wrangler), main));
  const modules = wasm.map(({ path }) => readFileSync(path));
  return {
    name,
    rawBytes: modules.reduce((sum, bytes) => sum + bytes.byteLength, minifiedBytes),
    gzipBytes: modules.reduce((sum, bytes) => sum + gzipSync(bytes).byteLength, gzipBytes),
  };
}

export function packagingFigures({ one, two }: Packaging): readonly Figure[] {
  return [...shapeFigures("one", "one script", one), ...shapeFigures("two", "two scripts", two)];
}

function shapeFigures(id: string, name: string, shape: PackagingShape): readonly Figure[] {
  const time = (key: string, what: string, value: number): Figure => ({
    id: `${id}_${key}`,
    name: `${name}: ${what}`,
    value,
    unit: "ms",
    goal: null,
  });
  return [
    ...shape.scripts.flatMap((script): Figure[] => [
      { id: `${id}_${script.name}_raw`, name: `${name}: ${script.name}, raw`, value: script.rawBytes, unit: "bytes", goal: null },
      { id: `${id}_${script.name}_gzip`, name: `${name}: ${script.name}, gzip`, value: script.gzipBytes, unit: "bytes", goal: null },
    ]),
    time("health", "start to the first answer", shape.healthMs),
    time("wallet", "start to a wallet's first answer", shape.firstWalletCallMs),
    time("purchase", "start to the first purchase", shape.coldPurchaseMs),
  ];
}
