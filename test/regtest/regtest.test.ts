/**
 * Everything that needs real binaries, on one network, for it takes 8 s to start. Skipped, with the reason in one line, where Go is missing:
 * a machine that has Go and cannot build is an error, not a skip.
 */
import { afterAll, beforeAll, describe } from "vitest";
import { buildRegtest } from "../../sandbox/regtest/build.ts";
import { startRegtestSandbox, type RegtestSandbox } from "../../sandbox/regtest/main.ts";
import { startSandbox, type Sandbox } from "../../sandbox/server.ts";
import { differentialTests } from "./differential.ts";
import { lndNodeTests } from "./lnd-node.ts";

const say = (line: string) => console.error(`regtest: ${line}`);
const build = await buildRegtest(say);
if (build.kind === "unavailable") {
  if (build.code === "build_failed") throw new Error(build.reason);
  say(`SKIPPED: ${build.reason}`);
}

describe.skipIf(build.kind === "unavailable")("on a real Lightning network", () => {
  let regtest: RegtestSandbox;
  let sandbox: Sandbox;

  beforeAll(async () => {
    [regtest, sandbox] = await Promise.all([startRegtestSandbox({ onProgress: say }), startSandbox()]);
  }, 300_000);
  afterAll(async () => {
    await Promise.all([regtest?.close(), sandbox?.close()]);
  });

  describe("the node behind the executor is lnd", () => lndNodeTests(() => regtest));
  describe("the sandbox's gateway answers as Aperture does", () => differentialTests(() => ({ regtest, sandbox })));
});
