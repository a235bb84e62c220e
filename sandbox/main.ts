/** `npm run sandbox [-- --port N] [--json]`: the sandbox, up until SIGINT or SIGTERM. With `--port N` seller, executor and admin take N, N+1 and N+2. */
import { parseArgs } from "node:util";
import { SERVICES } from "./services.ts";
import { startSandbox, type Sandbox } from "./server.ts";

const USAGE = "usage: npm run sandbox -- [--port N] [--seed TEXT] [--latency MS] [--json]";

function readFlags(): { port: number; seed: string | undefined; latencyMs: number; json: boolean } | null {
  try {
    const { values } = parseArgs({
      options: { port: { type: "string" }, seed: { type: "string" }, latency: { type: "string" }, json: { type: "boolean" } },
    });
    const port = Number(values.port ?? 0);
    const latencyMs = Number(values.latency ?? 0);
    if (!Number.isInteger(port) || port < 0 || port > 65_533 || !Number.isSafeInteger(latencyMs) || latencyMs < 0) return null;
    return { port, seed: values.seed, latencyMs, json: values.json ?? false };
  } catch {
    return null;
  }
}

function print(sandbox: Sandbox, json: boolean): void {
  const { sellerUrl, executorUrl, executorToken, adminUrl } = sandbox;
  if (json) {
    console.log(
      JSON.stringify({ network: "regtest", sellerUrl, executorUrl, executorToken, adminUrl, pid: process.pid, services: SERVICES }),
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
  const [executorPort, adminPort] = flags.port === 0 ? [0, 0] : [flags.port + 1, flags.port + 2];
  let sandbox: Sandbox;
  try {
    sandbox = await startSandbox({
      port: flags.port,
      executorPort,
      adminPort,
      latencyMs: flags.latencyMs,
      ...(flags.seed === undefined ? {} : { seed: flags.seed }),
    });
  } catch (error) {
    const inUse = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
    console.error(
      inUse
        ? `A port from ${flags.port} to ${adminPort} is in use; choose another with --port, or leave it out for free ones.`
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
