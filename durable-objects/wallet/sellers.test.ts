/** What policy says of one seller: its deadlines, and how often it takes a token. */
import { afterEach, describe, expect, it } from "vitest";
import type { HostSettings } from "../../lightning/policy.ts";
import { checkRigs, POLICY, WalletRig } from "../../test/support/wallet-rig.ts";

afterEach(checkRigs);

const DEFAULTS = { headersMs: 60_000, idleMs: 60_000, totalMs: 600_000, maxBytes: 64 * 1024 * 1024 };
const under = (settings: Omit<HostSettings, "host">) => ({ ...POLICY, hostSettings: [{ host: "seller.example", ...settings }] });

async function limits(wallet: Omit<HostSettings, "host">, budget: Omit<HostSettings, "host"> = {}): Promise<unknown> {
  const rig = await WalletRig.make({ policy: under(wallet), budgets: { agents: under(budget) } });
  const opened = await rig.open(rig.newId());
  return opened.kind === "fetch" ? opened.limits : opened;
}

describe("a host's deadlines", () => {
  it("are the deployment's where nothing is said, and the wallet's word completed by the budget's where something is", async () => {
    expect(await limits({})).toEqual(DEFAULTS);
    expect(await limits({ idleMs: 5000, maxBytes: 10 }, { idleMs: 9000, totalMs: 7000 })).toEqual({
      headersMs: 60_000,
      idleMs: 5000,
      totalMs: 7000,
      maxBytes: 10,
    });
  });

  it("leave a seller who may begin late its time for the body", async () => {
    expect(await limits({ headersMs: 3_600_000 })).toEqual({ ...DEFAULTS, headersMs: 3_600_000, totalMs: 4_140_000 });
    expect(await limits({ headersMs: 3_600_000, totalMs: 5000 })).toEqual({ ...DEFAULTS, headersMs: 3_600_000, totalMs: 5000 });
    expect(await limits({ headersMs: 1000 })).toEqual({ ...DEFAULTS, headersMs: 1000 });
  });
});

describe("a purchase at a seller who may take ten minutes to begin", () => {
  const slow = () => WalletRig.make({ policy: under({ headersMs: 600_000 }) });

  it("waits for its Worker as long as that takes, and is paid then", async () => {
    const rig = await slow();
    const id = rig.newId();
    await rig.open(id);
    await rig.runAlarms(600_000);
    const answer = rig.pay(id, rig.offer().challenge);
    await rig.quiet();
    await rig.sent[0]?.settle();
    expect(await answer).toMatchObject({ kind: "credential", credential: { status: "paid" } });
    // And what was paid for is not called unfulfilled while its seller is still within its time.
    await rig.runAlarms(600_000);
    expect(rig.state(id)).toBe("paid");
  });

  it("is abandoned, or unfulfilled, when that time has passed twice", async () => {
    const rig = await slow();
    const gone = rig.newId();
    await rig.open(gone);
    const { id, answer } = await rig.begin();
    await rig.sent[0]?.settle();
    await answer;
    await rig.runAlarms(1_260_000);
    expect([rig.state(gone), rig.state(id)]).toEqual(["abandoned", "paid_unfulfilled"]);
  });

  it("keeps the usual three minutes where nothing is said", async () => {
    const rig = await WalletRig.make();
    const id = rig.newId();
    await rig.open(id);
    await rig.runAlarms(180_000 - 1);
    expect(rig.state(id)).toBe("opened");
    await rig.runAlarms(1);
    expect(rig.state(id)).toBe("abandoned");
  });
});

it("invariant 6: a token that its buyer's budget knows to work once is not taken from him on his way to the seller", async () => {
  const knowing = under({ reuse: "never" });
  const rig = await WalletRig.make({ policy: POLICY, budgets: { agents: knowing, others: POLICY } });
  const { id, answer } = await rig.begin();
  await rig.sent[0]?.settle();
  const paid = await answer;
  const others = { kind: "binding", budget: "others" } as const;
  const [known, other] = [rig.newId(), rig.newId()];
  expect(await rig.open(known, { auth: others })).toMatchObject({ kind: "fetch", credential: null });
  expect(await rig.open(other, { auth: others, url: "https://seller.example/joke/2" })).toMatchObject({ credential: null });
  const bought = rig.pay(other, rig.offer().challenge, { auth: others });
  await rig.quiet();
  await rig.sent[1]?.settle();
  expect(await bought).toMatchObject({ kind: "credential", credential: { status: "paid" } });
  await rig.deliver(id, paid.kind === "credential" ? paid.credential.id : "");
  expect(rig.state(id)).toBe("fulfilled");
});
