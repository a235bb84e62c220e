/**
 * From SIGKILL back to work: how long after workerd is started again until a request is answered, and until an alarm that fell due in
 * between has reached the payer, without any request. The bundle lies there already, as it does in a data centre.
 */
import { setTimeout as pause } from "node:timers/promises";
import { startKillRig } from "../test/kill/rig.ts";
import { percentiles, type Figure } from "./figures.ts";

/** The first question about a payment whose answer was lost comes a second later (durable-objects/wallet/ports.ts, `retryFirst`). */
const DUE_MS = 1000;

/** @param times restarts of each kind */
export async function restartFigures(times: number): Promise<readonly Figure[]> {
  const rig = await startKillRig();
  try {
    const buyer = await rig.buyer();
    await rig.fetch(buyer, { path: "/many/1" });
    const [listens, answers, alarms]: [number[], number[], number[]] = [[], [], []];
    for (let n = 0; n < times; n++) {
      await rig.kill();
      const began = performance.now();
      listens.push(await rig.start());
      const { status } = await rig.fetch(buyer, { path: "/many/1" });
      if (status !== 200) throw new Error(`the first request after a restart was answered ${status}`);
      answers.push(performance.now() - began);
    }
    for (let n = 0; n < times; n++) {
      rig.sandbox.node.faults.forNext({ kind: "answer_lost" });
      const { code } = await rig.fetch(buyer, { path: `/many/${n + 2}`, waitMs: 5000 });
      if (code !== "payment_unknown") throw new Error(`a payment whose answer was lost is ${code ?? "settled"}`);
      await rig.kill();
      await pause(DUE_MS);
      const asked = rig.executor.next(({ path }) => path === "/v1/lookup");
      const began = performance.now();
      await rig.start();
      await asked;
      alarms.push(performance.now() - began);
    }
    return [
      ...percentiles("restart_listens", "start to listening", listens),
      ...percentiles("restart_answer", "start to the first answer, a cached purchase", answers),
      ...percentiles("restart_alarm", "start to the first alarm's question to the payer", alarms),
    ];
  } finally {
    await rig.close();
  }
}
