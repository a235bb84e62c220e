/** A new instance opens several record keys one after another; whoever comes in between waits for all of them. Found by the simulation. */
import { afterEach, expect, it } from "vitest";
import { CustodyRig } from "../../test/support/custody-rig.ts";
import { checkRigs, ORIGIN, WalletRig } from "../../test/support/wallet-rig.ts";
import { WalletCore } from "./core.ts";
import { TIMING } from "./ports.ts";

let rig: CustodyRig | null = null;

afterEach(checkRigs);
afterEach(async () => {
  await rig?.check();
  rig?.close();
  rig = null;
});

it("invariant 6: a credential sealed with a former record key is handed out at whatever moment of an instance's first turn it is asked for", async () => {
  rig = await CustodyRig.make();
  const { path } = await rig.buy();
  expect(await rig.core.rotate("record-key")).toMatchObject({ ok: true, value: { resealing: true } });
  const core = rig.boot();
  const ask = (): Promise<unknown> =>
    core.open({
      purchaseId: crypto.randomUUID(),
      auth: { kind: "binding", budget: "agents" },
      method: "GET",
      url: `https://seller.example${path}`,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 0,
    });
  const asked: Promise<unknown>[] = [];
  // WebCrypto answers in turns of its own: a caller in each of many turns finds every moment in between.
  for (let turn = 0; turn < 200; turn++) {
    asked.push(ask());
    await (turn % 2 === 0 ? Promise.resolve() : new Promise<void>((resolve) => setImmediate(resolve)));
  }
  for (const answer of await Promise.all(asked)) expect(answer).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
});

it("invariant 11: keys that `disableNow` took from memory while the control plane was asked are opened again once the wallet is enabled", async () => {
  const wallet = await WalletRig.make();
  await wallet.buy(wallet.offer({ service: "joke" }));
  await wallet.advance(TIMING.securityLife);
  wallet.controlSays = "nothing";
  const id = wallet.newId();
  await wallet.open(id, { url: `${ORIGIN}/another-path` });
  const answer = wallet.pay(id, wallet.offer({ service: "joke" }).challenge);
  await wallet.quiet();
  await wallet.core.disableNow();
  await wallet.core.enable();
  await wallet.advance(TIMING.controlDeadline);
  // What was bought for this scope is still good, and needs no new money: it is handed out.
  expect(await answer).toMatchObject({ kind: "credential", credential: { status: "cached" } });
});

it("invariant 11: what is paid is handed out to a caller who waited for his turn while `disableNow` took the keys from memory", async () => {
  rig = await CustodyRig.make();
  const { path } = await rig.buy();
  const { promise: turn, resolve: endTurn } = Promise.withResolvers<void>();
  const ports = rig.ports();
  const core = new WalletCore({ ...ports, clock: { ...ports.clock, turn: () => turn } });
  const ask = (): Promise<unknown> =>
    core.open({
      purchaseId: crypto.randomUUID(),
      auth: { kind: "binding", budget: "agents" },
      method: "GET",
      url: `https://seller.example${path}`,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 0,
    });
  // The first passes at once, the second waits for the end of that turn.
  await ask();
  const waited = ask();
  await rig.quiet();
  await core.disableNow();
  endTurn();
  expect(await waited).toMatchObject({ kind: "fetch", credential: { status: "cached" } });
});
