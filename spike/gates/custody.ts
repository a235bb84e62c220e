/**
 * Gate 2: who can open the key, what happens when somebody has been at it, whether it is forgotten, and whether anything of it is anywhere
 * else. It runs last: the canary scan is over all that the whole run has answered, logged and stored.
 */
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import type { ApiAnswer } from "../../ops/api.ts";
import type { EnvelopeBinding } from "../../lightning/envelope.ts";
import { scan } from "../../test/support/canary.ts";
import type { CheckResult } from "../result.ts";
import { coverageOf } from "../rig/canary-kinds.ts";
import { filesBelow, type DevWorker } from "../rig/dev-worker.ts";
import { needlesOf, searchHeap } from "../rig/heap.ts";
import { openWith, secretsOf } from "../rig/known-keys.ts";
import { CannotRun, fact, runCheck, type Measured } from "../rig/measured.ts";
import { isDone, purchaseOutcome } from "../rig/outcome.ts";
import type { Stage } from "../rig/stage.ts";
import { flipped, replaceEnvelope, storedEnvelopes, type StoredEnvelope } from "../rig/stored.ts";

const OWNER = "main";
/** Longer than an instance stays when nobody uses it (durable-objects/spark/ports.ts). */
const IDLE_MS = 60_000;

export async function custodyGate(
  stage: Stage,
  mnemonic: string,
  setVars: (change: Readonly<Record<string, string>>) => void,
): Promise<readonly CheckResult[]> {
  const { worker, kek, network } = stage.parts;
  if (worker === null || kek === null) return [];
  const checks: CheckResult[] = [];
  const add = async (check: Promise<CheckResult>): Promise<void> => void checks.push(await check);
  const binding = (walletId: string): EnvelopeBinding => ({ walletId, owner: OWNER, network });
  let stored: ReadonlyMap<string, StoredEnvelope> = new Map();

  await add(
    runCheck(
      stage,
      "envelope",
      "the stored envelopes of a stopped system, tried in Node: with the deployment's key and the wallet's own names, and with each of these changed",
      async () => {
        const { walletId } = stage.needMain();
        await worker.kill();
        stored = storedEnvelopes(worker.stateDir);
        // The next checks change them where they are stored, and a run may end at any moment.
        stage.parts.folder.keep("envelopes.json", JSON.stringify(Object.fromEntries(stored)));
        await worker.start();
        const own = stored.get(walletId)?.envelope;
        if (own === undefined) throw new Error("the main wallet's envelope is not stored");
        for (const [id, { envelope }] of stored) {
          const opened = await openWith(kek, envelope, binding(id));
          if (opened === null) throw new Error("an envelope does not open with the deployment's own key");
          stage.moreSecrets.push(...secretsOf(opened));
        }
        const right = await openWith(kek, own, binding(walletId));
        const another = [...stored.keys()].find((id) => id !== walletId) ?? "w_another";
        const wrong = {
          "another key": await openWith(randomBytes(32).toString("base64"), own, binding(walletId)),
          "another wallet": await openWith(kek, own, binding(another)),
          "another owner": await openWith(kek, own, { ...binding(walletId), owner: "somebody" }),
          "another network": await openWith(kek, own, { ...binding(walletId), network: network === "mainnet" ? "regtest" : "mainnet" }),
          "one byte changed": await openWith(kek, flipped(own), binding(walletId)),
        };
        const opened = Object.entries(wrong).flatMap(([name, result]) => (result === null ? [] : [name]));
        return {
          said:
            opened.length === 0 ? `opened as it must, refused with ${Object.keys(wrong).join(", ")}` : `opened with ${opened.join(", ")}`,
          held: right?.mnemonic === mnemonic && opened.length === 0,
          facts: [fact("envelopes", stored.size, "count")],
        };
      },
    ),
  );

  /** The system is changed while it is stopped; a purchase is tried; all is put back, and a purchase must go well. */
  const meddled = async (
    change: (own: StoredEnvelope, walletId: string) => void,
    undo: (own: StoredEnvelope, walletId: string) => void,
  ): Promise<Measured> => {
    const buyer = stage.needMain();
    const own = stored.get(buyer.walletId);
    if (own === undefined) throw new Error("the main wallet's envelope is not stored");
    await worker.kill();
    change(own, buyer.walletId);
    let answer: ApiAnswer;
    let before: Awaited<ReturnType<Stage["ledger"]>>;
    let after: typeof before;
    try {
      await worker.start();
      before = await stage.ledger();
      answer = await stage.fetch(buyer, stage.fresh());
      after = await stage.ledger();
    } finally {
      await worker.kill();
      undo(own, buyer.walletId);
      await worker.start();
    }
    const control = await stage.fetch(buyer, stage.fresh());
    const paid = before === null || after === null ? Number(isDone(answer, "paid")) : after.attempts - before.attempts;
    return {
      said: `${purchaseOutcome(answer)}; put back: ${purchaseOutcome(control)}`,
      held: !isDone(answer, "paid") && answer.code !== null && isDone(control, "paid"),
      measured: { payments_without_key: paid },
    };
  };
  const inFile =
    "the system is stopped, the control plane's SQLite changed, the system started, a purchase tried; then all is put back and a purchase must be paid";
  await add(
    runCheck(stage, "tampered", inFile, () =>
      meddled(
        ({ file, envelope }, id) => replaceEnvelope(file, id, flipped(envelope)),
        ({ file, envelope }, id) => replaceEnvelope(file, id, envelope),
      ),
    ),
  );
  await add(
    runCheck(
      stage,
      "wrong_aad",
      `${inFile}. In its place stands another wallet's whole envelope, with the name of this one written over its own`,
      () => {
        const stranger = [...stored].find(([id]) => id !== stage.main?.walletId)?.[1].envelope;
        if (stranger === undefined) throw new Error("there is no other wallet");
        return meddled(
          ({ file, envelope }, id) => replaceEnvelope(file, id, { ...stranger, walletId: envelope.walletId }),
          ({ file, envelope }, id) => replaceEnvelope(file, id, envelope),
        );
      },
    ),
  );
  await add(
    runCheck(stage, "wrong_kek", "the system is started on its state with another WALLET_KEK_V1; then with its own again", () =>
      meddled(
        () => setVars({ WALLET_KEK_V1: randomBytes(32).toString("base64") }),
        () => setVars({ WALLET_KEK_V1: kek }),
      ),
    ),
  );
  await add(
    runCheck(
      stage,
      "forgets",
      "the wallet is disabled, the process killed and started again, its status asked for and a purchase tried; then all writable memory of workerd is searched for the wallet's words, seed and data key, in three spellings",
      () => forgets(stage, worker, mnemonic),
    ),
  );
  await add(
    runCheck(
      stage,
      "canary",
      "every answer, every log line and every stored byte of the run, while it ran and after it ended, searched for every secret that passed the tapped edges or can be opened, in ten spellings; a payment hash, which is public, must be found",
      () => canary(stage, worker),
    ),
  );
  return checks;
}

async function forgets(stage: Stage, worker: DevWorker, mnemonic: string): Promise<Measured> {
  const buyer = stage.needMain();
  const envelope = storedEnvelopes(worker.stateDir).get(buyer.walletId)?.envelope;
  const { kek, network, world } = stage.parts;
  const opened =
    envelope === undefined || kek === null ? null : await openWith(kek, envelope, { walletId: buyer.walletId, owner: OWNER, network });
  if (opened === null) throw new Error("the rig could not open the envelope to know what to look for");
  const needles = [
    ...needlesOf("words", mnemonic),
    ...needlesOf("seed", opened.seed),
    ...needlesOf("half a seed", opened.seed.slice(0, 64)),
    ...needlesOf("data key", opened.dataKey),
  ];
  await stage.balanceMsat(buyer.walletId);
  const open = searchHeap(worker.workerdPids(), needles, buyer.walletId);
  await pause(IDLE_MS);
  const idle = searchHeap(worker.workerdPids(), needles, buyer.walletId);
  await stage.operate("POST", `/v1/wallets/${buyer.walletId}/disable`);
  await worker.kill();
  await worker.start();
  const asked = world?.tap.total() ?? 0;
  const status = await stage.operate("GET", `/v1/wallets/${buyer.walletId}`);
  const answer = await stage.fetch(buyer, stage.fresh());
  const requests = (world?.tap.total() ?? asked) - asked;
  const seen = searchHeap(worker.workerdPids(), needles, buyer.walletId);
  await stage.operate("POST", `/v1/wallets/${buyer.walletId}/enable`);
  if (seen === null || open === null || idle === null) throw new CannotRun("this system does not let one process read another's memory");
  return {
    said: `${purchaseOutcome(answer)}; ${requests} requests to the network; in memory ${seen.found.length === 0 ? "nothing" : seen.found.join(", ")}`,
    held: status["state"] === "disabled" && answer.code === "wallet_disabled" && seen.controlSeen && open.controlSeen,
    measured: { leaks: seen.found.length },
    facts: [
      fact("memory searched", seen.bytesRead, "bytes"),
      fact("found while the wallet was open (no threshold)", open.found.join(", ") || "nothing"),
      fact(`found after ${IDLE_MS / 1000} s of idleness (no threshold)`, idle.found.join(", ") || "nothing"),
      fact("requests to operators and SSP", requests, "count"),
    ],
  };
}

async function canary(stage: Stage, worker: DevWorker): Promise<Measured> {
  const records = (await stage.operate("GET", `/v1/wallets/${stage.needMain().walletId}/purchases?limit=50`))["purchases"];
  const hash = /"paymentHash":"([0-9a-f]{64})"/u.exec(JSON.stringify(records))?.[1];
  if (hash === undefined) throw new Error("no purchase shows a payment hash");
  const running = storedBytes(worker.stateDir);
  await worker.kill();
  const places: readonly (readonly [string, Buffer, boolean])[] = [
    ["answers", Buffer.from(stage.answers()), true],
    ["log", Buffer.from(worker.log()), false],
    ["stored, running", running, true],
    ["stored, ended", storedBytes(worker.stateDir), true],
  ];
  await worker.start();
  const secrets = stage.secrets().filter(({ text }) => text.length >= 16);
  const kinds = new Map<string, number>();
  for (const { name } of secrets) kinds.set(name, (kinds.get(name) ?? 0) + 1);
  const leaks = places.flatMap(([place, bytes]) => [...new Set(scan(bytes, secrets))].map((name) => `${name} in ${place}`));
  const blind = places
    .filter(([, bytes, mustShow]) => mustShow && scan(bytes, [{ name: "hash", text: hash }]).length === 0)
    .map(([place]) => place);
  const { missing, unknowable } = coverageOf({ tap: stage.parts.world !== null, seller: stage.parts.seller.ours }, new Set(kinds.keys()));
  // What was found is found, and a blind scan is a fault; but no leak among the secrets that are known says nothing about the others.
  if (leaks.length === 0 && blind.length === 0 && missing.length === 0 && unknowable.length > 0)
    throw new CannotRun(`nothing was found, but no ${unknowable.join(", no ")} is known here: seller and network are elsewhere`);
  return {
    said:
      leaks[0] ??
      (blind.length > 0
        ? `the scan was blind in ${blind.join(", ")}`
        : missing.length > 0
          ? `no canary of kind ${missing.join(", ")}`
          : "nothing was found"),
    held: blind.length === 0 && missing.length === 0,
    measured: { leaks: leaks.length },
    facts: [
      ...places.map(([place, bytes]) => fact(place, bytes.byteLength, "bytes")),
      ...[...kinds].toSorted(([a], [b]) => a.localeCompare(b)).map(([kind, count]) => fact(`secrets: ${kind}`, count, "count")),
    ],
  };
}

const storedBytes = (dir: string): Buffer => Buffer.concat(filesBelow(dir).map((file) => readFileSync(file)));
