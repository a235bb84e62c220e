/**
 * Brings a whole local system up: the outside world (simulated, or a real Lightning network on regtest), worthless keys, and the Worker in
 * raw workerd. This is the one place under ops/ that reaches into sandbox/, and only by dynamic import: nothing that is deployed imports it.
 */
import { sats } from "../lightning/msat.ts";
import type { RunningWorkerd } from "../sandbox/runtime/workerd.ts";
import type { PaymentWorld } from "../sandbox/server.ts";
import type { SparkWorld } from "../sandbox/spark-world.ts";
import { Api, type Observer } from "./api.ts";
import { openState, sha256Hex, type LocalKeys } from "./local-state.ts";
import { serveWitness, type Witness } from "./witness.ts";

export type WorldKind = "simulated" | "regtest";
/** What pays: the Spark SDK's wasm in the Wallet object, or an HTTP executor with a node of its own. */
export type PayerKind = "spark" | "executor";

/** What a flow or a person needs to use a system, wherever it runs. The ledger is the payer's node's own: the witness of what was attempted. */
export interface System extends Witness {
  readonly kind: WorldKind;
  /** A wallet of `spark` begins empty: fund-wallet.ts. An executor's wallets all spend what its node has. */
  readonly payer: PayerKind;
  readonly api: Api;
  readonly operatorKey: string;
  readonly sellerUrl: string;
}

export interface LocalSystem extends System {
  readonly worker: RunningWorkerd;
  readonly keys: LocalKeys;
  readonly executorToken: string;
  /** The Spark network beside it: its faults, its ledger. null where an executor pays. */
  readonly spark: SparkWorld | null;
  readonly stateDir: string;
  /** Milliseconds from nothing to the Worker's first answer, the outside world included. */
  readonly readyMs: number;
  close(): Promise<void>;
}

export interface SetupOptions {
  readonly kind: WorldKind;
  readonly payer: PayerKind;
  /** null: a temporary folder, removed at `close`. */
  readonly stateDir: string | null;
  /** 0: any free one. */
  readonly port: number;
  readonly onProgress?: (line: string) => void;
  readonly observe?: Observer;
  /** A test may stand between the Worker and the world: called with each address, gives the one to use instead. */
  readonly through?: (name: "seller" | "executor" | "spark", url: string) => Promise<string>;
}

interface World extends Witness {
  readonly sellerUrl: string;
  readonly executorUrl: string;
  readonly executorToken: string;
  readonly spark: SparkWorld | null;
  close(): Promise<void>;
}

/** The value of `--network`, simulated when left out; null when it is none. */
export function worldKind(flag: string | null): WorldKind | null {
  switch (flag) {
    case null:
    case "simulated":
      return "simulated";
    case "regtest":
      return "regtest";
    default:
      return null;
  }
}

/** The value of `--payer`, spark when left out; null when it is none. */
export function payerKind(flag: string | null): PayerKind | null {
  switch (flag) {
    case null:
    case "spark":
      return "spark";
    case "executor":
      return "executor";
    default:
      return null;
  }
}

/** What is real and what is not, in words for people. */
export function whatIsReal({ kind, payer }: Pick<System, "kind" | "payer">): string {
  return `${lightningOf(kind)}; paid by ${payerOf(payer)}`;
}

export function lightningOf(kind: WorldKind): string {
  switch (kind) {
    case "simulated":
      return "simulated Lightning node and L402 gateway (signed BOLT11 invoices, no network, no money)";
    case "regtest":
      return "real lnd, btcd and Aperture on a private regtest network (worthless coins)";
  }
}

export function payerOf(payer: PayerKind): string {
  switch (payer) {
    case "spark":
      return "the real Spark SDK in the Wallet object, against simulated Spark operators that check every signature";
    case "executor":
      return "an HTTP executor";
  }
}

/** @throws Error with one line for people: port or state folder in use, Go missing, a dependency missing, the Worker does not build */
export async function startLocal(options: SetupOptions): Promise<LocalSystem> {
  const began = performance.now();
  const state = openState(options.stateDir);
  const cleanup: (() => unknown)[] = [() => state.release()];
  const close = async (): Promise<void> => {
    for (const step of cleanup.splice(0).toReversed()) await step();
  };
  try {
    const world = await startWorld(options, options.onProgress ?? (() => undefined));
    cleanup.push(() => world.close());
    const through = options.through ?? ((_name, url) => Promise.resolve(url));
    const sellerUrl = await through("seller", world.sellerUrl);
    const payer = await payerVars(world, through);
    const { startWorkerd } = await import("../sandbox/runtime/workerd.ts");
    const worker = await startWorkerd({
      dir: `${state.dir}/worker`,
      port: options.port,
      vars: {
        WALLET_KEK_V1: state.keys.kek,
        LIGHTNING_OPERATOR_KEY_SHA256: sha256Hex(state.keys.operatorSecret),
        LIGHTNING_NETWORK: "regtest",
        // http and a loopback address are refused anywhere else: this one seller is the exception, and only here.
        LIGHTNING_LOCAL_HOSTS: new URL(sellerUrl).host,
        ...payer,
      },
    });
    cleanup.push(() => worker.close());
    const witness = await serveWitness(world);
    cleanup.push(() => witness.close());
    const api = new Api(worker.url, options.observe);
    const operatorKey = `lwo.main.root.${state.keys.operatorSecret}`;
    await api.expect("GET", "/v1/health");
    state.publish({ url: worker.url, operatorKey, kind: options.kind, payer: options.payer, sellerUrl, witnessUrl: witness.url });
    return {
      kind: options.kind,
      payer: options.payer,
      api,
      operatorKey,
      sellerUrl,
      ledger: () => world.ledger(),
      sellerRequests: () => world.sellerRequests(),
      payInvoice: (bolt11) => world.payInvoice(bolt11),
      worker,
      keys: state.keys,
      executorToken: world.executorToken,
      spark: world.spark,
      stateDir: state.dir,
      readyMs: performance.now() - began,
      close,
    };
  } catch (cause) {
    await close();
    throw cause;
  }
}

/** What the Worker is told of its payer: one of the two, never a second to fall back on. */
async function payerVars(world: World, through: NonNullable<SetupOptions["through"]>): Promise<Readonly<Record<string, string>>> {
  if (world.spark === null) {
    return {
      WALLET_BACKEND: "http-executor",
      OA_LIGHTNING_WALLET_EXECUTOR_BASE_URL: await through("executor", world.executorUrl),
      OA_LIGHTNING_WALLET_EXECUTOR_AUTH_TOKEN: world.executorToken,
    };
  }
  const network = world.spark.networkAt(await through("spark", world.spark.url));
  return { WALLET_BACKEND: "spark-wasm", SPARK_NETWORK_CONFIG: JSON.stringify(network) };
}

async function startWorld({ kind, payer }: Pick<SetupOptions, "kind" | "payer">, onProgress: (line: string) => void): Promise<World> {
  const spark = payer === "spark" ? { spark: { checks: "full" } as const } : {};
  switch (kind) {
    case "simulated": {
      const { startSandbox } = await import("../sandbox/server.ts");
      // Less than the dearest route asks, so that a wallet without enough money can be seen too.
      const balance = { network: "regtest", balanceMsat: sats(400_000) } as const;
      const sandbox = await startSandbox({ ...balance, ...spark });
      return worldOf(sandbox, () => Promise.resolve(sandbox.gateway.seen().requests));
    }
    case "regtest": {
      const { startRegtestSandbox } = await import("../sandbox/regtest/main.ts");
      const sandbox = await startRegtestSandbox({ onProgress, ...spark });
      return worldOf(sandbox, () => sandbox.sellerRequests());
    }
  }
}

function worldOf(sandbox: PaymentWorld, sellerRequests: () => Promise<number>): World {
  const { sellerUrl, executorUrl, executorToken, spark } = sandbox;
  return {
    sellerUrl,
    executorUrl,
    executorToken,
    spark,
    ledger: () => sandbox.ledger(),
    sellerRequests,
    payInvoice: (bolt11) => spark?.payInvoice(bolt11) ?? Promise.reject(new Error("only a Spark wallet takes in money here")),
    close: () => sandbox.close(),
  };
}
