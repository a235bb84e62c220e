/**
 * Every flow of the demo with the SDK's wasm as the payer: real wallets, each with money of its own, against operators that check every share and
 * signature. Then the books: the Spark ledger is whole, and what the seller's node settled is what the wallets were told.
 */
import { afterAll, beforeAll, expect, test } from "vitest";
import { FLOWS, runFlow } from "../../ops/demo-flows/all.ts";
import { FlowContext } from "../../ops/demo-flows/context.ts";
import { fundWallet } from "../../ops/fund-wallet.ts";
import { startLocal, type LocalSystem } from "../../ops/setup.ts";

let system: LocalSystem;

beforeAll(async () => {
  system = await startLocal({ kind: "simulated", payer: "spark", stateDir: null, port: 0 });
});

afterAll(() => system.close());

test.each(FLOWS.map((flow) => [flow.claim, flow] as const))("%s", async (_claim, flow) => {
  const result = await runFlow(flow, system);
  expect(result, result.what).toMatchObject({ outcome: "ok" });
});

test("a wallet without any money refuses before anything is sent, and pays once it has some", async () => {
  const context = new FlowContext(system);
  const agent = await context.emptyHanded();
  const before = (await system.ledger()).attempts;
  const refused = await agent.fetch("/joke");
  expect(refused).toMatchObject({ code: "insufficient_funds" });
  expect((await system.ledger()).attempts).toBe(before);
  await fundWallet(system, agent.walletId, 100);
  expect(await agent.fetch("/joke")).toMatchObject({ status: 200, lightning: { status: "paid" } });
});

test("an SSP that is slow is waited for", async () => {
  const agent = await new FlowContext(system).agent();
  system.spark!.sandbox.faults.add({ side: "ssp", call: "RequestLightningSend", times: 1, fault: { kind: "delay", ms: 1500 } });
  const slow = await agent.fetch("/joke");
  expect(slow).toMatchObject({ status: 200, lightning: { status: "paid" } });
  expect(slow.ms).toBeGreaterThan(1500);
});

test("an SSP that cannot pay gives the money back: nothing stays set aside, and the same wallet pays later", async () => {
  const context = new FlowContext(system);
  const agent = await context.agent();
  const { faults } = system.spark!.sandbox;
  faults.payMode = "fail";
  const failed = await agent.fetch("/joke").finally(() => (faults.payMode = "ok"));
  expect(failed).toMatchObject({ lightning: { status: "failed" }, code: "payment_failed" });
  const { spent } = await context.operate("GET", `/v1/wallets/${agent.walletId}`);
  expect(JSON.stringify(spent)).toContain('"openMsat":0');
  expect(await agent.fetch("/joke")).toMatchObject({ status: 200, lightning: { status: "paid" } });
});

test("the books are whole: Spark's own, and what its SSP's node settled", async () => {
  const { sandbox } = system.spark!;
  expect(sandbox.check()).toEqual([]);
  const counts = sandbox.counts();
  expect(Object.keys(counts).filter((name) => name.startsWith("bug:"))).toEqual([]);
  expect(counts["check:user_shares"]).toBeGreaterThan(0);
  // What came in to fund the wallets was locked to a hash too, with a wallet as its receiver.
  const ssp = sandbox.config.ssp.identityPublicKey;
  const shared = sandbox.ledger().htlcs.filter(({ state, receiver }) => state === "shared" && receiver === ssp);
  const settled = (await system.ledger()).payments.filter(({ state }) => state === "settled");
  expect(new Set(shared.map(({ paymentHash }) => paymentHash))).toEqual(new Set(settled.map(({ paymentHash }) => paymentHash)));
  expect(shared).toHaveLength(settled.length);
});
