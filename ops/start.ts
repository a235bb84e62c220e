/**
 * `npm start`: a whole Lightning Worker on this machine, a wallet with some worthless money in it, and one purchase to watch: 402, decision,
 * payment, proof, answer, receipt; then the same request again. Then it stays up. Every line is read back from the running system's own answers; nothing is made up here.
 * Exit code: 0 fine, 1 the purchase went wrong, 2 it could not be started.
 */
import type { Policy } from "../lightning/policy.ts";
import { readFlags, readPort } from "./arguments.ts";
import { interrupted, oneLine, output, satText, type Output } from "./output.ts";
import { firstPurchase } from "./first-purchase.ts";
import { fundWallet } from "./fund-wallet.ts";
import { lightningOf, payerKind, payerOf, startLocal, whatIsReal, worldKind, type LocalSystem } from "./setup.ts";

const DEFAULT_PORT = 4020;
/** As much as the starter policy lets it spend in a day. */
const FUNDING_SATS = 1000;
const KINDS = { once: "boolean", json: "boolean", network: "string", payer: "string", port: "string", state: "string" } as const;

process.exitCode = await main(process.argv.slice(2));

async function main(argv: readonly string[]): Promise<number> {
  const parsed = readFlags(argv, KINDS);
  if (!parsed.ok) return usage(parsed.line);
  const { once, json, network, state } = parsed.flags;
  const kind = worldKind(network);
  if (kind === null) return usage("--network is simulated or regtest.");
  const payer = payerKind(parsed.flags.payer);
  if (payer === null) return usage("--payer is spark or executor.");
  // Once: no address to remember, so any port and a folder that goes away will do.
  const port = parsed.flags.port === null ? (once ? 0 : DEFAULT_PORT) : readPort(parsed.flags.port);
  if (port === null) return usage("--port is a number from 0 to 65535.");

  const out = output(json);
  const stop = interrupted();
  let starting = true;
  // Before anything is up there is nothing to close in order; what was begun ends with this process.
  void stop.then(() => starting && process.exit(130));
  let system: LocalSystem;
  try {
    const stateDir = state ?? (once ? null : ".lightning-worker");
    system = await startLocal({ kind, payer, stateDir, port, onProgress: (line) => void process.stderr.write(`${line}\n`) });
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, error: oneLine(cause) });
    return 2;
  }
  starting = false;
  try {
    return (await show(system, out)) ? await stayUp(system, once, out, stop) : 1;
  } finally {
    await system.close();
  }
}

/** @returns whether the purchase went as it must */
async function show(system: LocalSystem, out: Output): Promise<boolean> {
  const { api, sellerUrl } = system;
  out.line("ready", `Lightning Worker at ${api.url} in ${Math.round(system.readyMs)} ms`);
  out.line("real?", lightningOf(system.kind));
  out.line("payer", payerOf(system.payer));
  try {
    const wallet = await agentWallet(system);
    out.line(
      "wallet",
      `${wallet.walletId}: at most ${satText(wallet.policy.perPaymentMsat ?? 0)} a payment, ${satText(wallet.policy.dayMsat ?? 0)} a day, at ${wallet.policy.hosts.allow.join(", ")} only`,
    );
    const funded = system.payer === "spark" ? await fundWallet(system, wallet.walletId, FUNDING_SATS) : null;
    if (funded !== null)
      out.line(
        "funding",
        `an invoice of the wallet was paid from outside: ${satText(funded.spendableMsat)} in it after ${Math.round(funded.ms)} ms`,
      );
    out.blank();
    const purchase = await firstPurchase(api, wallet.key, new URL("/joke", sellerUrl).href, out);
    out.document({
      ok: true,
      network: system.kind,
      payer: system.payer,
      real: whatIsReal(system),
      url: api.url,
      walletId: wallet.walletId,
      readyMs: Math.round(system.readyMs),
      funded: funded === null ? null : { spendableMsat: funded.spendableMsat, ms: Math.round(funded.ms) },
      ...purchase,
    });
    out.blank();
    out.line("try it", `curl -s ${api.url}/v1/fetch -H 'Authorization: Bearer ${wallet.key}' --json '{"url":"${sellerUrl}/stream"}' -D -`);
    out.line("operator", `its key is in ${system.stateDir}/system.json`);
    return true;
  } catch (cause) {
    console.error(oneLine(cause));
    out.document({ ok: false, network: system.kind, error: oneLine(cause) });
    return false;
  }
}

/** A new wallet that may buy from this seller only, and a key for one agent, through the HTTP API. */
async function agentWallet({
  api,
  sellerUrl,
  operatorKey,
}: LocalSystem): Promise<{ readonly walletId: string; readonly key: string; readonly policy: Policy }> {
  const operate = (method: string, path: string, body: unknown) => api.expect(method, path, { key: operatorKey, body });
  const rule = { preset: "starter", allow: [new URL(sellerUrl).host] };
  const wallet = await operate("POST", "/v1/wallets", { label: "first", ...rule });
  const walletId = String(wallet["walletId"]);
  await operate("PUT", `/v1/wallets/${walletId}/budgets/agent`, rule);
  const key = await operate("POST", `/v1/wallets/${walletId}/keys`, { budget: "agent", label: "first agent" });
  return { walletId, key: String(key["key"]), policy: wallet["policy"] as Policy };
}

async function stayUp(system: LocalSystem, once: boolean, out: Output, stop: Promise<NodeJS.Signals>): Promise<number> {
  if (once) return 0;
  out.blank();
  out.line(
    "up",
    `${system.api.url} (state in ${system.stateDir}; \`npm run demo -- --url ${system.api.url}\` walks all flows; Ctrl-C ends it)`,
  );
  const ended = await Promise.race([stop.then(() => null), system.worker.exited]);
  if (ended === null) return 0;
  console.error(`workerd ended by itself (${ended}); its log is ${system.stateDir}/worker/worker.log`);
  return 1;
}

function usage(line: string): number {
  console.error(line);
  return 2;
}
