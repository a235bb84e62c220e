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
