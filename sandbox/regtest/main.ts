/**
 * `npm run regtest [-- --json]`: the real network with an executor that pays through its lnd, up until SIGINT or SIGTERM. The same world
 * for `npm start -- --network regtest`: {@link startRegtestSandbox} gives what the simulated sandbox gives.
 */
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { startExecutor } from "../executor-http.ts";
import type { PaymentWorld } from "../server.ts";
import { SERVICES } from "../services.ts";
import { lndNode } from "./lnd.ts";
import { ledgerOfLnd } from "./lnd-ledger.ts";
import { expectOk } from "./lnd-rest.ts";
import { RegtestUnavailable, startRegtest, type Regtest, type RegtestOptions } from "./network.ts";

const USAGE = "usage: npm run regtest -- [--json]";

export interface RegtestSandbox extends PaymentWorld {
  /** Requests that Aperture has answered, of any kind on any path. */
  sellerRequests(): Promise<number>;
  readonly network: Regtest;
}

/**
 * Real btcd, lnd and Aperture, and an executor over the payer. Without anything to build, about 8 s.
 * @throws RegtestUnavailable (one line) when Go is missing or too old; Error with a log's tail when a program does not start
 */
export async function startRegtestSandbox(options: RegtestOptions & { readonly executorToken?: string } = {}): Promise<RegtestSandbox> {
  const network = await startRegtest(options);
  const node = lndNode(network.payerConnection);
  try {
    const executor = await startExecutor({
      node,
      version: "regtest",
      ...(options.executorToken === undefined ? {} : { token: options.executorToken }),
    });
    return {
      sellerUrl: network.sellerUrl,
      executorUrl: executor.url,
      executorToken: executor.token,
      network,
      async ledger() {
        const [payments, spendable] = await Promise.all([
          expectOk(network.payer.call("/v1/payments?include_incomplete=true")),
          node.spendableMsat(),
        ]);
        return ledgerOfLnd(payments, spendable);
      },
      sellerRequests: () => network.aperture.requests(),
      async close() {
        await executor.close();
        node.close();
        await network.close();
      },
    };
  } catch (error) {
    node.close();
    await network.close();
    throw error;
  }
}

function print({ sellerUrl, executorUrl, executorToken, network }: RegtestSandbox, json: boolean): void {
  if (json) {
    const { upstreamUrl, startedMs } = network;
    console.log(
      JSON.stringify({
        network: "regtest",
        sellerUrl,
        executorUrl,
        executorToken,
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
      "Ctrl-C stops it.",
    ].join("\n"),
  );
}

async function main(): Promise<number> {
  let json: boolean;
  try {
    json = parseArgs({ options: { json: { type: "boolean" } } }).values.json ?? false;
  } catch {
    console.error(USAGE);
    return 2;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => resolve());
  });
  const started = startRegtestSandbox({ onProgress: (line) => console.error(`regtest: ${line}`) });
  try {
    // A signal during the start ends the process at once; its children end with it (children.ts).
    const sandbox = await Promise.race([started, stopped.then(() => null)]);
    if (sandbox === null) process.exit(130);
    print(sandbox, json);
    await stopped;
    await sandbox.close();
    return 0;
  } catch (error) {
    console.error(`regtest: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof RegtestUnavailable ? 3 : 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) process.exitCode = await main();
