/** Three real nodes: the SSP's, a router and the seller's. Skipped, with the reason in one line, where Go is missing. */
import { afterAll, beforeAll, describe } from "vitest";
import { buildRegtest } from "../../sandbox/regtest/build.ts";
import { startRegtest, type Regtest } from "../../sandbox/regtest/network.ts";
import { lndLegTests } from "./lnd-leg.ts";

const say = (line: string) => console.error(`regtest: ${line}`);
const build = await buildRegtest(say);
if (build.kind === "unavailable") {
  if (build.code === "build_failed") throw new Error(build.reason);
  say(`SKIPPED: ${build.reason}`);
}

describe.skipIf(build.kind === "unavailable")("on a routed Lightning network", () => {
  let network: Regtest;
  beforeAll(async () => {
    network = await startRegtest({ topology: "routed", onProgress: say });
  }, 300_000);
  afterAll(() => network?.close());

  describe("the SSP's Lightning leg is lnd", () =>
    lndLegTests(() => {
      if (network.router === null) throw new Error("this network has no router");
      return { ...network, router: network.router };
    }));
});
