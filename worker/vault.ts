/**
 * The vault's script: the Wallet objects and what pays for them, the wasm of the Spark SDK among it (11 MB). It is a script of its own so
 * that the front door starts without that weight (`npm run bench -- --packaging`, ADR.md). It has no address: only bindings reach it.
 */
import { embeddedControlPlane } from "../control-plane/embedded.ts";
import { httpExecutor } from "../durable-objects/http-executor.ts";
import { createBreez } from "../durable-objects/spark/generated/breez.js";
import sparkWasm from "../durable-objects/spark/generated/breez.wasm";
import { SparkPayer } from "../durable-objects/spark/payer.ts";
import { walletObject, type Wiring } from "../durable-objects/wallet-object.ts";
import { readConfig } from "./config.ts";
import { absentPayer } from "./payer-absent.ts";

/** A configuration that is wrong or incomplete must not stop an object from being made: its alarm still has open rows to look after. */
function payerOf(env: Env, walletId: string): Wiring["payer"] {
  const read = readConfig(env);
  if (!read.ok) return absentPayer;
  const { backend, executor, network, spark } = read.config;
  switch (backend) {
    case "http-executor":
      return executor === null ? absentPayer : httpExecutor({ ...executor, network, walletId, fetch: (url, init) => fetch(url, init) });
    case "spark-wasm":
      return (platform) =>
        new SparkPayer({
          ...platform,
          settings: { network, ...spark },
          fetch: (request) => fetch(request),
          wasm: { module: sparkWasm, create: createBreez },
        });
  }
}

export class Wallet extends walletObject<Env>((env, owner, walletId) => ({
  payer: payerOf(env, walletId),
  control: embeddedControlPlane(env.CONTROL_PLANE, owner),
})) {}

export default {
  fetch: () => new Response(null, { status: 404 }),
} satisfies ExportedHandler<Env>;
