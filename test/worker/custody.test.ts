/** Custody through the door, on the real engine: its WebCrypto, its node:crypto, its alarms, its objects. */
import { evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { Decrypter, armor, generateX25519Identity, identityToRecipient } from "age-encryption";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { readBackup } from "../../lightning/backup.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import { agentOf, call, operatorOf, policy, seller } from "./support.ts";

// BIP-39's test vector for entropy of 0x80 bytes.
const MNEMONIC = "letter advice cage absurd amount doctor acoustic avoid letter advice cage above";
let operator = "";

beforeAll(async () => {
  operator = await operatorOf("main");
});

afterEach(() => void vi.unstubAllGlobals());

async function ownerOfBackups(): Promise<{
  readonly recipient: string;
  readonly read: (backup: unknown) => Promise<ReturnType<typeof readBackup>>;
}> {
  const identity = await generateX25519Identity();
  const decrypter = new Decrypter();
  decrypter.addIdentity(identity);
  return {
    recipient: await identityToRecipient(identity),
    read: async (backup) => readBackup(await decrypter.decrypt(armor.decode(String(backup)), "text")),
  };
}

function challenge(): Response {
  const bytes = (length: number): Uint8Array => crypto.getRandomValues(new Uint8Array(length));
  const paymentHash = [...bytes(32)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  const macaroon = mintMacaroon({ rootKey: bytes(32), paymentHash, tokenId: bytes(32), caveats: [] });
  const invoice = mintBolt11({
    network: "mainnet",
    amountMsat: 21_000,
    paymentHash,
    paymentSecret: bytes(32),
    description: "L402",
    timestamp: Math.floor(Date.now() / 1000),
    nodeSecretKey: bytes(32),
  });
  return new Response("payment required\n", {
    status: 402,
    headers: { "www-authenticate": `L402 macaroon="${macaroon}", invoice="${invoice}"` },
  });
}

describe("a backup", () => {
  test("comes with the answer that makes the wallet, sealed to its recipient, and with no other answer", async () => {
    const { recipient, read } = await ownerOfBackups();
    const made = await call("POST", "/v1/wallets", operator, { policy: policy(), mnemonic: MNEMONIC, backupRecipient: recipient });
    expect(made.status).toBe(201);
    const walletId = String(made.json["walletId"]);
    expect(await read(made.json["backup"])).toMatchObject({
      ok: true,
      facts: { walletId, owner: "main", network: "mainnet" },
      mnemonic: MNEMONIC,
    });
    const view = await call("GET", `/v1/wallets/${walletId}/custody`, operator);
    expect(view.json).toMatchObject({
      envelope: { kekVersion: "v1", backedUpAt: expect.any(Number) as unknown },
      inUse: ["v1"],
      kek: { current: "v1", configured: ["v1"] },
      recordKeys: [{ id: 1, kekVersion: "v1", state: "current" }],
    });
    for (const { text } of [view, made, await call("GET", `/v1/wallets/${walletId}`, operator), await call("GET", "/v1/wallets", operator)])
      expect(text).not.toMatch(/advice|ciphertext|wrapped/u);
    expect((await call("GET", `/v1/wallets/${walletId}`, operator)).text).not.toContain("BEGIN AGE");
  });

  test("of a created wallet comes again to the same request, whose answer may have been lost, and holds the words that are kept", async () => {
    const { recipient, read } = await ownerOfBackups();
    const headers = { "idempotency-key": crypto.randomUUID() };
    const body = { policy: policy(), backupRecipient: recipient };
    const [first, again] = [
      await call("POST", "/v1/wallets", operator, body, headers),
      await call("POST", "/v1/wallets", operator, body, headers),
    ];
    const backups = [await read(first.json["backup"]), await read(again.json["backup"])];
    expect(backups[0]).toMatchObject({ ok: true, facts: { walletId: first.json["walletId"] } });
    expect(backups[1]).toEqual(backups[0]);
    const other = await ownerOfBackups();
    expect((await call("POST", "/v1/wallets", operator, { ...body, backupRecipient: other.recipient }, headers)).json).toMatchObject({
      code: "idempotency_conflict",
    });
  });

  test("for a wrong recipient is refused before anything is made", async () => {
    const { recipient } = await ownerOfBackups();
    const before = (await call("GET", "/v1/wallets", operator)).text;
    for (const wrong of ["age1", recipient.replace(/.$/u, recipient.endsWith("q") ? "p" : "q"), 7, `age1${"q".repeat(58)}`]) {
      expect((await call("POST", "/v1/wallets", operator, { policy: policy(), backupRecipient: wrong })).json).toMatchObject({
        code: "invalid_request",
        detail: expect.stringContaining("backupRecipient") as unknown,
      });
    }
    expect((await call("GET", "/v1/wallets", operator)).text).toBe(before);
  });
});

test("keys rotate while the object is live, old rows are sealed anew by its alarm, and a new instance opens them", async () => {
  seller(challenge);
  const own = await agentOf(operator);
  const path = `/v1/wallets/${own.walletId}`;
  // Nothing can pay here, so this ends released; its token and invoice are sealed all the same.
  await call("POST", "/v1/fetch", own.key, { url: "https://seller.example/a" });
  const stub = env.WALLET.getByName(`main/${own.walletId}`);
  const sealedWith = () =>
    runInDurableObject(stub, (_object, { storage }) =>
      storage.sql
        .exec<{ id: string }>("SELECT DISTINCT hex(substr(sealed, 2, 2)) AS id FROM payment ORDER BY 1")
        .toArray()
        .map(({ id }) => id),
    );
  for (const what of ["kek", "data-key", "record-key"]) expect((await call("POST", `${path}/rotate`, operator, { what })).status).toBe(200);
  await call("POST", "/v1/fetch", own.key, { url: "https://seller.example/b" });
  // Its alarm may run at any moment from here on: what is certain is that the new row has the new key.
  expect(await sealedWith()).toContain("0002");
  await evictDurableObject(stub);
  expect(await sealedWith()).toContain("0002");
  for (let n = 0; n < 5 && (await sealedWith()).includes("0001"); n++) await runDurableObjectAlarm(stub);
  expect(await sealedWith()).toEqual(["0002"]);
  expect((await call("GET", `${path}/custody`, operator)).json).toMatchObject({
    resealing: false,
    unreadableRows: 0,
    recordKeys: [{ id: 2, state: "current" }],
  });
  expect((await call("POST", `${path}/rotate`, operator, { what: "everything" })).json).toMatchObject({ code: "invalid_request" });
});

test("an owner reads which versions are in use, over all wallets", async () => {
  const stranger = await operatorOf("kek-reader");
  for (let n = 0; n < 3; n++) await agentOf(stranger);
  expect((await call("GET", "/v1/custody", stranger)).json).toEqual({
    current: "v1",
    configured: ["v1"],
    inUse: { v1: { envelopes: 3, recordKeys: 3 } },
    unused: [],
    unknown: [],
    next: null,
  });
});

test("disable now stops new money at once, and enable opens the keys again", async () => {
  seller(challenge);
  const own = await agentOf(operator);
  expect((await call("POST", `/v1/wallets/${own.walletId}/disable-now`, operator)).json).toEqual({
    walletId: own.walletId,
    state: "disabled",
    cancelled: 0,
  });
  expect((await call("POST", "/v1/fetch", own.key, { url: "https://seller.example/c" })).json).toMatchObject({ code: "wallet_disabled" });
  await call("POST", `/v1/wallets/${own.walletId}/enable`, operator);
  expect((await call("POST", "/v1/fetch", own.key, { url: "https://seller.example/c" })).json).toMatchObject({
    code: "backend_unavailable",
  });
});

test("invariant 13: a fence and a spender elsewhere leave the object behind, and it pays nothing", async () => {
  seller(challenge);
  for (const [way, body] of [
    ["fence", { epoch: 2 }],
    ["spender", { epoch: 2, backend: "spark-wasm" }],
  ] as const) {
    const own = await agentOf(operator);
    expect((await call("POST", `/v1/wallets/${own.walletId}/${way}`, operator, body)).status).toBe(200);
    expect((await call("GET", `/v1/wallets/${own.walletId}/custody`, operator)).json).toMatchObject({ epoch: 1, epochOfSpender: 2 });
    expect((await call("POST", "/v1/fetch", own.key, { url: `https://seller.example/${way}` })).json).toMatchObject({
      code: "spender_superseded",
    });
    expect((await call("POST", `/v1/wallets/${own.walletId}/${way}`, operator, { ...body, epoch: 1 })).json).toMatchObject({
      code: "invalid_request",
    });
  }
  const stays = await agentOf(operator);
  expect(
    (await call("POST", `/v1/wallets/${stays.walletId}/spender`, operator, { epoch: 2, backend: "http-executor" })).json,
  ).toMatchObject({ epoch: 2 });
  expect(
    (await call("POST", `/v1/wallets/${stays.walletId}/spender`, operator, { epoch: 3, backend: "http-executor", spender: "nobody" })).json,
  ).toMatchObject({ code: "envelope_unopenable" });
});

test("invariant 13: a fence of the epoch that this deployment itself spends under is no fence, and says so", async () => {
  seller(challenge);
  const own = await agentOf(operator);
  const at = `/v1/wallets/${own.walletId}`;
  expect((await call("POST", `${at}/spender`, operator, { epoch: 2, backend: "http-executor" })).status).toBe(200);
  expect((await call("POST", `${at}/fence`, operator, { epoch: 2 })).json).toMatchObject({
    code: "already_exists",
    detail: expect.stringContaining("epoch 2") as unknown,
  });
  for (let n = 0; n < 2; n++) expect((await call("POST", `${at}/fence`, operator, { epoch: 3 })).json).toMatchObject({ epoch: 3 });
  expect((await call("POST", "/v1/fetch", own.key, { url: "https://seller.example/fenced" })).json).toMatchObject({
    code: "spender_superseded",
  });
});

test("a wallet is restored from its words under its id and the next epoch, once", async () => {
  const walletId = "w_restored00000000";
  const path = `/v1/wallets/${walletId}/restore`;
  const body = { mnemonic: MNEMONIC, epoch: 2, policy: policy() };
  expect((await call("POST", path, operator, { ...body, mnemonic: MNEMONIC.replace("above", "advice") })).json).toMatchObject({
    code: "invalid_request",
  });
  expect((await call("POST", path, operator, { ...body, epoch: 1 })).json).toMatchObject({ code: "invalid_request" });
  expect((await call("POST", path, operator, body)).status).toBe(201);
  expect((await call("GET", `/v1/wallets/${walletId}/custody`, operator)).json).toMatchObject({
    epoch: 2,
    epochOfSpender: 2,
    // What it was restored from is its backup: without one Spark pays nothing on mainnet.
    envelope: { backedUpAt: expect.any(Number) as unknown },
  });
  expect((await call("POST", path, operator, body)).json).toMatchObject({ code: "already_exists" });
});

test("a restore that died between control plane and object is completed by the same request, with the words that it brings", async () => {
  const walletId = "w_restored00000001";
  const record = {
    walletId,
    owner: "main",
    label: "",
    network: "mainnet",
    backend: "http-executor",
    epoch: 2,
    walletSource: "embedded_envelope",
    createdAt: 1,
  } as const;
  const envelope = {
    version: 1,
    walletId,
    owner: "main",
    network: "mainnet",
    purpose: "mnemonic",
    kekVersion: "v1",
    wrappedDataKey: "AAAA",
    nonce: "AAAA",
    ciphertext: "AAAA",
    createdAt: 1,
  } as const;
  await env.CONTROL_PLANE.getByName("owner:main").createWallet(record, envelope);
  const path = `/v1/wallets/${walletId}/restore`;
  const body = { mnemonic: MNEMONIC, policy: policy() };
  expect((await call("POST", path, operator, { ...body, epoch: 3 })).json).toMatchObject({ code: "already_exists" });
  expect((await call("POST", path, operator, { ...body, epoch: 2 })).status).toBe(201);
  expect((await call("POST", `/v1/wallets/${walletId}/rotate`, operator, { what: "data-key" })).status).toBe(200);
});

test("invariant 17: custody is the operator's of that wallet's owner, and nobody else's", async () => {
  const own = await agentOf(operator);
  const stranger = await operatorOf("other");
  const at = `/v1/wallets/${own.walletId}`;
  const before = (await call("GET", `${at}/custody`, operator)).text;
  const calls: readonly (readonly [string, string, unknown?])[] = [
    ["GET", `${at}/custody`],
    ["POST", `${at}/rotate`, { what: "record-key" }],
    ["POST", `${at}/disable-now`],
    ["POST", `${at}/fence`, { epoch: 9 }],
    ["POST", `${at}/spender`, { epoch: 2, backend: "http-executor" }],
  ];
  for (const [method, path, body] of calls) {
    expect([path, (await call(method, path, stranger, body)).json["code"]]).toEqual([path, "not_found"]);
    expect([path, (await call(method, path, own.key, body)).json["code"]]).toEqual([path, "forbidden"]);
    expect([path, (await call(method, path, null, body)).json["code"]]).toEqual([path, "unauthorized"]);
  }
  expect((await call("POST", `${at}/restore`, own.key, { mnemonic: MNEMONIC, epoch: 2 })).json).toMatchObject({ code: "forbidden" });
  expect((await call("GET", "/v1/custody", own.key)).json).toMatchObject({ code: "forbidden" });
  expect((await call("GET", `${at}/custody`, operator)).text).toBe(before);
});
