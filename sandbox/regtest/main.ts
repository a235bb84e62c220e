/**
 * `npm run regtest [-- --spark] [-- --json]`: the real network with an executor that pays through its lnd, up until SIGINT or SIGTERM. The
 * same world for `npm start -- --network regtest`: {@link startRegtestSandbox} gives what the simulated sandbox gives. With Spark the network
 * has a third node: the payer's lnd is the SSP's, sellers are reached through a router, and the router pays into wallets.
 */
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { startExecutor } from "../executor-http.ts";
import type { PaymentWorld } from "../server.ts";
import { SERVICES } from "../services.ts";
import type { SparkChecks, SparkWorld } from "../spark-world.ts";
import { lndNode } from "./lnd.ts";
import { ledgerOfLnd } from "./lnd-ledger.ts";
import { expectOk } from "./lnd-rest.ts";
import { RegtestUnavailable, startRegtest, type Regtest, type RegtestOptions } from "./network.ts";
import { readSparkBooks, type SparkBooks } from "./spark-books.ts";

const USAGE = "usage: npm run regtest -- [--spark] [--json]";

export interface RegtestSandbox extends PaymentWorld {
  /** Requests that Aperture has answered, of any kind on any path. */
  sellerRequests(): Promise<number>;
  readonly network: Regtest;
  /** Of everybody between a wallet and the seller. @throws Error in a network without Spark */
  books(): Promise<SparkBooks>;
}

export interface RegtestSandboxOptions extends Omit<RegtestOptions, "topology"> {
  readonly executorToken?: string;
  /** A Spark network over the payer's lnd, and a router between it and the seller. */
  readonly spark?: { readonly checks: SparkChecks };
}

/**
 * Real btcd, lnd and Aperture, and an executor over the payer. Without anything to build, about 8 s; with Spark about twice that.
 * @throws RegtestUnavailable (one line) when Go is missing or too old; Error with a log's tail when a program does not start
 */
export async function startRegtestSandbox({ spark: sparkOptions, ...options }: RegtestSandboxOptions = {}): Promise<RegtestSandbox> {
  const network = await startRegtest({ ...options, topology: sparkOptions === undefined ? "direct" : "routed" });
  const node = lndNode(network.payerConnection);
  const open: { close(): void | Promise<void> }[] = [network, node];
  const close = async (): Promise<void> => {
    for (const each of open.splice(0).toReversed()) await each.close();
  };
  try {
    const executor = await startExecutor({
      node,
      version: "regtest",
      ...(options.executorToken === undefined ? {} : { token: options.executorToken }),
    });
    open.push(executor);
    const spark = sparkOptions === undefined ? null : await sparkOver(network, sparkOptions.checks);
    if (spark !== null) open.push(spark);
    return {
      sellerUrl: network.sellerUrl,
      executorUrl: executor.url,
      executorToken: executor.token,
      spark,
      network,
      async ledger() {
        const [payments, spendable] = await Promise.all([
          expectOk(network.payer.call("/v1/payments?include_incomplete=true")),
          node.spendableMsat(),
        ]);
        return ledgerOfLnd(payments, spendable);
      },
      async books() {
        if (spark === null) throw new Error("this network has no Spark");
        return readSparkBooks(network, spark.sandbox);
      },
      sellerRequests: () => network.aperture.requests(),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Loaded only where it is wanted: the curve's arithmetic is most of what it weighs. */
async function sparkOver(network: Regtest, checks: SparkChecks): Promise<SparkWorld> {
  const { sparkOverLnd } = await import("./spark-over-lnd.ts");
  return sparkOverLnd(network, checks);
}

function print({ sellerUrl, executorUrl, executorToken, network, spark: world }: RegtestSandbox, json: boolean): void {
  const spark =
    world === null ? null : { url: world.url, network: world.networkAt(), adminUrl: world.adminUrl, adminToken: world.adminToken };
  if (json) {
    const { upstreamUrl, startedMs } = network;
    console.log(
      JSON.stringify({
        network: "regtest",
        sellerUrl,
        executorUrl,
        executorToken,
        spark,
        upstreamUrl,
        startedMs,
        pid: process.pid,
        services: SERVICES,
      }),
    );
    return;
  }
  const prices = SERVICES.map((service) => `${service.path} ${service.auth === "off" ? "free" : `${service.priceSats} sat`}`).join(", ");
  console.log(
    [
      `Regtest: real btcd, lnd and Aperture, worthless coins; up in ${(network.startedMs / 1000).toFixed(1)} s.`,
      `  seller    ${sellerUrl}    ${prices}`,
      `  executor  ${executorUrl}    bearer token ${executorToken} (worthless outside this process)`,
      ...(spark === null ? [] : [`  spark     ${spark.url}    SPARK_NETWORK_CONFIG=${JSON.stringify(spark.network)}`]),
      "Ctrl-C stops it.",
    ].join("\n"),
  );
}

async function main(): Promise<number> {
  let flags: { readonly json?: boolean; readonly spark?: boolean };
  try {
    flags = parseArgs({ options: { json: { type: "boolean" }, spark: { type: "boolean" } } }).values;
  } catch {
    console.error(USAGE);
    return 2;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
  const started = startRegtestSandbox({
    onProgress: (line) => console.error(`regtest: ${line}`),
    ...(flags.spark === true ? { spark: { checks: "full" as const } } : {}),
  });
  try {
    // A signal during the start ends the process at once; its children end with it (children.ts).
    const sandbox = await Promise.race([started, stopped.then(() => null)]);
    if (sandbox === null) process.exit(130);
    print(sandbox, flags.json ?? false);
    await stopped;
    await sandbox.close();
    return 0;
  } catch (error) {
    console.error(`regtest: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof RegtestUnavailable ? 3 : 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = await main();
