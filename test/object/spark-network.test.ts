/** The Spark network inside the isolate, beside the object that pays on it: no socket, no Node server, the same code. */
import { env } from "cloudflare:workers";
import { runInDurableObject } from "cloudflare:test";
import { expect, it } from "vitest";
import { createBreez } from "../../durable-objects/spark/generated/breez.js";
import wasm from "../../durable-objects/spark/generated/breez.wasm";
import { SPARK_SCHEMA } from "../../durable-objects/spark/schema.ts";
import { sparkStorage } from "../../durable-objects/spark/storage.ts";
import { durableSql } from "../../durable-objects/sql-durable.ts";
import { sats } from "../../lightning/msat.ts";
import { SimulatedNode } from "../../sandbox/node.ts";
import { createSpark } from "../../sandbox/spark/handler.ts";
import { SimulatedLeg } from "../../sandbox/spark/simulated-leg.ts";
import { vaultOver } from "../spark/storage-ask.ts";

const ORIGIN = "https://spark.sandbox.invalid";
const MNEMONIC = "zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo zoo wrong";

it("a wallet in an object is funded and pays, and every check of the network is made in the isolate", async () => {
  const ports = {
    now: () => Date.now(),
    random: (length: number) => crypto.getRandomValues(new Uint8Array(length)),
    uuid: () => crypto.randomUUID(),
    timer: (ms: number, fire: () => void) => {
      const handle = setTimeout(fire, ms);
      return () => clearTimeout(handle);
    },
  };
  const stub = env.CONTROL_PLANE.getByName(`owner:spark-${crypto.randomUUID()}`);
  await runInDurableObject(stub, async (_object, state) => {
    await state.storage.deleteAll();
    const sql = durableSql(state.storage);
    sql.script(SPARK_SCHEMA);
    const node = new SimulatedNode(ports, { network: "regtest", balanceMsat: sats(1_000_000) });
    const spark = createSpark({ ports, leg: new SimulatedLeg(node, ports), checks: "full" });
    const { coordinatorIdentifier, operators, ssp, threshold } = spark.config;
    const breez = createBreez(wasm, { fetch: (request, init) => spark.fetch(request, init) });
    const config = breez.defaultServerConfig("regtest");
    if (config.sparkConfig === undefined) throw new Error("the SDK's default has no Spark configuration");
    config.sparkConfig = {
      ...config.sparkConfig,
      coordinatorIdentifier,
      threshold,
      signingOperators: operators.map(({ path, ...operator }) => ({ ...operator, address: ORIGIN + path })),
      sspConfig: { ...config.sparkConfig.sspConfig, baseUrl: ORIGIN + ssp.path, identityPublicKey: ssp.identityPublicKey },
    };
    const sdk = await breez.SdkBuilder.new(config, { type: "mnemonic", mnemonic: MNEMONIC })
      .withStorage(sparkStorage(vaultOver(sql), ports.now))
      .build();
    spark.mint((await sdk.getInfo({})).identityPubkey, [16, 16]);
    await sdk.syncWallet({});
    const { bolt11, paymentHash } = node.createInvoice({ amountMsat: sats(15), description: "" });
    const prepareResponse = await sdk.prepareSendPayment({ paymentRequest: { type: "input", input: bolt11 } });
    const options = { type: "bolt11Invoice", preferSpark: false, completionTimeoutSecs: 10 } as const;
    const { payment } = await sdk.sendPayment({ prepareResponse, options, idempotencyKey: crypto.randomUUID() });
    expect([payment.status, node.isPaid(paymentHash), (await sdk.getInfo({})).balanceSats]).toEqual(["completed", true, 16]);
    expect(spark.check()).toEqual([]);
    expect(spark.counts()["check:aggregated_signatures"]).toBeGreaterThan(0);
    await sdk.disconnect();
    spark.close();
  });
});
