/** The kill switches, each in its own position. A wallet's own switch bites at once, the owner's and the global one within 5 s. */
import { delivered, must, refused, withoutPaying, type Agent, type Flow, type FlowContext } from "./context.ts";

const BITES_WITHIN_MS = 5000;
const ASK_EVERY_MS = 50;

export const globalSwitch: Flow = {
  name: "kill switch: global",
  claim: "invariant 11: the global pause stops new money within 5 s and nothing else",
  run: (context) => sharedSwitch(context, "/v1/security/global", "global_pause_active"),
};

export const ownerSwitch: Flow = {
  name: "kill switch: owner",
  claim: "invariant 11: the owner's kill switch stops new money within 5 s and nothing else",
  run: (context) => sharedSwitch(context, "/v1/security/owner", "owner_kill_switch_active"),
};

export const walletSwitch: Flow = {
  name: "kill switch: wallet",
  claim: "invariant 11: a wallet's own switch stops new money at once and nothing else",
  run: async (context) => {
    const agent = await context.agent();
    delivered(await agent.fetch("/joke"), "paid");
    await context.operate("POST", `/v1/wallets/${agent.walletId}/disable`);
    refused(await withoutPaying(context.system, () => agent.fetch("/stream")), "wallet_disabled");
    // What is paid is paid: it goes on being delivered.
    delivered(await agent.fetch("/joke"), "cached");
    await context.operate("POST", `/v1/wallets/${agent.walletId}/enable`);
    delivered(await agent.fetch("/stream"), "paid");
    return "disabled: refused at once, what was paid still served; enabled: pays";
  },
};

async function sharedSwitch(context: FlowContext, path: string, code: string): Promise<string> {
  const agent = await context.agent();
  delivered(await agent.fetch("/joke"), "paid");
  await context.operate("PUT", path, { active: true });
  let tookMs: number;
  try {
    tookMs = await until(agent, (allowed, why) => !allowed && why === code, `${code} must bite within ${BITES_WITHIN_MS} ms`);
    refused(await withoutPaying(context.system, () => agent.fetch("/stream")), code);
    delivered(await agent.fetch("/joke"), "cached");
  } finally {
    await context.operate("PUT", path, { active: false });
  }
  await until(agent, (allowed) => allowed, "released, payments must go on");
  delivered(await agent.fetch("/stream"), "paid");
  return `bit after ${Math.round(tookMs)} ms: refused, what was paid still served; released: pays`;
}

/** Asks for quotes, which pay nothing, until the decision is as wanted. @returns how long that took, ms */
async function until(agent: Agent, wanted: (allowed: boolean, code: unknown) => boolean, expectation: string): Promise<number> {
  const began = performance.now();
  for (;;) {
    // What counts is when it was asked: a request sent 5 s after the switch was thrown must meet it.
    const asked = performance.now() - began;
    const answer = await agent.quote("/stream");
    const quote = answer.json?.["quote"];
    const decision = typeof quote === "object" && quote !== null ? (quote as Readonly<Record<string, unknown>>) : (answer.json ?? {});
    if (wanted(decision["allowed"] === true, decision["code"] ?? answer.code)) return asked;
    must(asked < BITES_WITHIN_MS, expectation, { allowed: decision["allowed"], code: decision["code"] });
    await new Promise((done) => setTimeout(done, ASK_EVERY_MS));
  }
}
