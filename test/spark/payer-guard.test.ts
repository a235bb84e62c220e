/** What would be a mistake to pay with is refused by the whole payer before one request leaves, whatever it is asked to do. */
import { afterEach, expect, test } from "vitest";
import type { SparkSettings } from "../../durable-objects/spark/ports.ts";
import type { WalletFacts } from "../../durable-objects/wallet/payer-seams.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import type { Degradation, PaymentOrder } from "../../lightning/payer.ts";
import type { Msat } from "../../lightning/msat.ts";
import { PayerRig, type PayerRigOptions } from "./payer-rig.ts";
import { SparkWorld } from "./rigs/spark-world.ts";

const OTHER_MNEMONIC = "legal winner thank year wave sausage worth useful legal winner thank yellow";
const world = new SparkWorld({ checks: "light" });
const open: PayerRig[] = [];

afterEach(() => {
  for (const rig of open.splice(0)) rig.close();
  world.calls.length = 0;
});

async function payer(options: Partial<PayerRigOptions>): Promise<PayerRig> {
  const rig = await PayerRig.open({ fetch: (request) => world.fetch(request), settings: world.settings, ...options });
  open.push(rig);
  return rig;
}

const mainnet: SparkSettings = { network: "mainnet", operators: null, apiKey: null };
const onMainnet: Partial<WalletFacts> = { network: "mainnet" };

interface Guarded {
  readonly name: string;
  readonly rig: () => Promise<PayerRig>;
  readonly degraded: readonly Degradation[];
}

const GUARDED: readonly Guarded[] = [
  { name: "a wallet of another network", rig: () => payer({ facts: onMainnet }), degraded: ["misconfigured"] },
  {
    name: "a wallet whose spender is another backend",
    rig: () => payer({ facts: { backend: "http-executor" } }),
    degraded: ["misconfigured"],
  },
  { name: "mainnet without an API key", rig: () => payer({ settings: mainnet, facts: onMainnet }), degraded: ["misconfigured"] },
  {
    name: "operators of somebody's own on mainnet",
    rig: () => payer({ settings: { ...world.settings, network: "mainnet", apiKey: "key" }, facts: onMainnet }),
    degraded: ["misconfigured"],
  },
  {
    name: "mainnet without a backup",
    rig: () => payer({ settings: { ...mainnet, apiKey: "key" }, facts: onMainnet }),
    degraded: ["misconfigured"],
  },
  {
    name: "a key that opens another wallet than the one stored here",
    rig: async () => {
      const first = await payer({});
      await first.payer.status();
      world.calls.length = 0;
      first.payer.forget();
      return PayerRig.open({
        fetch: (request) => world.fetch(request),
        settings: world.settings,
        sql: first.sql,
        mnemonic: OTHER_MNEMONIC,
      });
    },
    degraded: ["identity_mismatch"],
  },
  { name: "an envelope that was tampered with", rig: tampered, degraded: [] },
  { name: "an envelope that is missing", rig: () => payer({ envelope: null }), degraded: [] },
];

async function tampered(): Promise<PayerRig> {
  const { ports } = await payer({});
  const envelope = await ports.envelope(ports.facts()?.walletId ?? "");
  if (envelope === null) throw new Error("the rig has no envelope");
  return payer({ envelope: { ...envelope, ciphertext: flipped(envelope.ciphertext) } satisfies Envelope });
}

const flipped = (text: string): string => `${text.startsWith("A") ? "B" : "A"}${text.slice(1)}`;

test.each(GUARDED)("invariant 10: nothing leaves for $name", async ({ rig: make, degraded }) => {
  const rig = await make();
  const { bolt11 } = world.invoice(7);
  const order: PaymentOrder = rig.order(bolt11);
  expect(await rig.payer.prepare(order)).toEqual({ ready: false, code: "backend_unavailable" });
  expect(await rig.payer.pay(order)).toEqual({ kind: "failed", code: "backend_unavailable", definite: true });
  // Asked about one of another time, it does not know, and says so.
  expect(await rig.payer.lookup(rig.order(bolt11))).toMatchObject({ kind: "unknown" });
  expect(await rig.payer.resume(rig.order(bolt11))).toMatchObject({ kind: "unknown" });
  await expect(rig.payer.receive(7_000 as Msat, "a test's invoice")).rejects.toThrow();
  expect(await rig.payer.status()).toMatchObject({ online: false, spendableMsat: null, degraded });
  expect(world.calls).toEqual([]);
});

test("invariant 13: an order of an epoch below the highest seen is refused, and nothing leaves for it", async () => {
  const rig = await payer({});
  await rig.payer.status();
  expect(await rig.payer.pay(rig.order(world.invoice(7).bolt11, { epoch: 3, deadline: 0 }))).toMatchObject({ kind: "failed" });
  world.calls.length = 0;
  expect(await rig.payer.pay(rig.order(world.invoice(7).bolt11, { epoch: 2 }))).toEqual({
    kind: "failed",
    code: "spender_superseded",
    definite: true,
  });
  expect(world.calls).toEqual([]);
});

test("an order that comes after its deadline is refused, and so is one that was fenced before it came, in every later life", async () => {
  const rig = await payer({});
  const late = rig.order(world.invoice(7).bolt11, { deadline: rig.ports.clock.now() - 1 });
  expect(await rig.payer.pay(late)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  const fenced = rig.order(world.invoice(7).bolt11);
  expect(await rig.payer.cancel(fenced)).toBe("fenced");
  rig.restart();
  expect(await rig.payer.pay(fenced)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  expect(await rig.payer.lookup(fenced)).toEqual({ kind: "failed", code: "payment_failed", definite: true });
  expect(world.calls).toEqual([]);
});
