/** `npm run sandbox [-- --port N] [--json]`: the sandbox, up until SIGINT or SIGTERM. With `--port N` seller, executor and admin take N, N+1 and N+2, and the Spark network of `--spark` N+3. */
import { parseArgs } from "node:util";
import { SERVICES } from "./services.ts";
import { startSandbox, type Sandbox } from "./server.ts";

const USAGE = "usage: npm run sandbox -- [--port N] [--seed TEXT] [--latency MS] [--spark] [--json]";

function readFlags(): { port: number; seed: string | undefined; latencyMs: number; spark: boolean; json: boolean } | null {
  try {
    const { values } = parseArgs({
      options: {
        port: { type: "string" },
        seed: { type: "string" },
        latency: { type: "string" },
        spark: { type: "boolean" },
        json: { type: "boolean" },
      },
    });
    const port = Number(values.port ?? 0);
    const latencyMs = Number(values.latency ?? 0);
    if (!Number.isInteger(port) || port < 0 || port > 65_532 || !Number.isSafeInteger(latencyMs) || latencyMs < 0) return null;
    return { port, seed: values.seed, latencyMs, spark: values.spark ?? false, json: values.json ?? false };
  } catch {
    return null;
  }
}

function print(sandbox: Sandbox, json: boolean): void {
  const { sellerUrl, executorUrl, executorToken, adminUrl } = sandbox;
  const spark = sandbox.spark && {
    url: sandbox.spark.url,
    network: sandbox.spark.networkAt(),
    adminUrl: sandbox.spark.adminUrl,
    adminToken: sandbox.spark.adminToken,
  };
  if (json) {
    console.log(
      JSON.stringify({ network: "regtest", sellerUrl, executorUrl, executorToken, adminUrl, spark, pid: process.pid, services: SERVICES }),
    );
    return;
  }
  const prices = SERVICES.map((service) => `${service.path} ${service.auth === "off" ? "free" : `${service.priceSats} sat`}`).join(", ");
  console.log(
    [
      "Sandbox: a simulated Lightning node and L402 seller. No real money.",
      `  seller    ${sellerUrl}    ${prices}`,
      `  executor  ${executorUrl}    bearer token ${executorToken} (worthless outside this process)`,
      `  admin     ${adminUrl}    GET /ledger, POST /faults, POST /release`,
      ...(spark === null
        ? []
        : [
            `  spark     ${spark.url}    admin ${spark.adminUrl}, bearer token ${spark.adminToken}`,
            `            SPARK_NETWORK_CONFIG=${JSON.stringify(spark.network)}`,
          ]),
      "Ctrl-C stops it.",
    ].join("\n"),
  );
}

async function main(): Promise<number> {
  const flags = readFlags();
  if (flags === null) {
    console.error(USAGE);
    return 2;
  }
  const [executorPort, adminPort, sparkPort] = flags.port === 0 ? [0, 0, 0] : [flags.port + 1, flags.port + 2, flags.port + 3];
  let sandbox: Sandbox;
  try {
    sandbox = await startSandbox({
      port: flags.port,
      executorPort,
      adminPort,
      latencyMs: flags.latencyMs,
      ...(flags.spark ? { spark: { checks: "full" as const, port: sparkPort } } : {}),
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    });
  } catch (error) {
    const inUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    console.error(
      inUse
        ? `A port from ${flags.port} to ${flags.spark ? sparkPort : adminPort} is in use; choose another with --port, or leave it out for free ones.`
        : `The sandbox did not start: ${String(error)}`,
    );
    return 1;
  }
  const stopped = new Promise<void>((resolve) => {
    for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => resolve());
  });
  print(sandbox, flags.json);
  await stopped;
  await sandbox.close();
  return 0;
}

process.exitCode = await main();
