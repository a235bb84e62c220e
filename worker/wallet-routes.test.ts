import { describe, expect, test } from "vitest";
import { PAYER, WALLET, fakeDoor } from "./door-fakes.ts";
import { PURCHASE, at, refused, send } from "./door-tests.ts";
import { type Route } from "./route-table.ts";

test("a balance says when it was known: now and kept, else the last one known, marked stale", async () => {
  const away = { ...PAYER, online: false, spendableMsat: null };
  const known = { at: 500, status: PAYER };
  const asked = async (answers: Parameters<typeof fakeDoor>[0]): Promise<readonly [unknown, readonly string[]]> => {
    const door = fakeDoor(answers);
    const response = await send(door, { who: "operator", method: "GET", path: `${at}/balance` });
    return [await response.json(), door.calls];
  };
  const live = await asked({});
  expect(live).toEqual([
    { walletId: WALLET, balance: PAYER, asOf: 1_000, stale: false },
    [`main/${WALLET}.balance`, "owner:main.keepStatus"],
  ]);
  expect((await asked({ balance: () => ({ ok: true, value: away }), lastStatus: () => known }))[0]).toEqual({
    walletId: WALLET,
    balance: { ...PAYER, online: false },
    asOf: 500,
    stale: true,
  });
  expect(
    (await asked({ balance: () => ({ ok: false, code: "backend_unavailable", detail: "" }), lastStatus: () => known }))[0],
  ).toMatchObject({ asOf: 500, stale: true });
  expect((await asked({ balance: () => ({ ok: true, value: away }) }))[0]).toEqual({
    walletId: WALLET,
    balance: away,
    asOf: null,
    stale: true,
  });
  expect(
    (
      await asked({
        balance: () => ({ ok: false, code: "backend_unavailable", detail: "" }),
        lastStatus: () => {
          throw new Error("away");
        },
      })
    )[0],
  ).toMatchObject({ code: "backend_unavailable" });
  const foreign = await asked({ balance: () => ({ ok: false, code: "not_found", detail: "no such wallet" }), lastStatus: () => known });
  expect([foreign[0], foreign[1]]).toMatchObject([{ code: "not_found" }, [`main/${WALLET}.balance`]]);
});

test("a withdrawal has an id of its own unless it is given one, names who asked, and is 202 while it is under way", async () => {
  const withdraw = (body: Readonly<Record<string, unknown>>, state: string) => {
    const door = fakeDoor({ withdraw: () => ({ ok: true, value: { state } }) });
    return send(
      door,
      { who: "operator", method: "POST", path: `${at}/withdrawals`, body },
      { headers: { "lightning-wait-ms": "10" } },
    ).then((response) => [response.status, door.told.at(-1)]);
  };
  const facts = { bolt11: "lnbcrt1abc", maxFeeMsat: 5_000, by: "operator/main/root", waitMs: 10 };
  expect(await withdraw({ bolt11: "lnbcrt1abc", maxFeeSats: 5 }, "fulfilled")).toEqual([201, [{ withdrawalId: PURCHASE, ...facts }]]);
  const id = "11111111-1111-4111-8111-111111111111";
  expect(await withdraw({ bolt11: "lnbcrt1abc", maxFeeSats: 5, withdrawalId: id }, "payment_unknown")).toEqual([
    202,
    [{ withdrawalId: id, ...facts }],
  ]);
});

describe("a wallet asked for under an Idempotency-Key", () => {
  const create: Route = { who: "operator", method: "POST", path: "/v1/wallets", body: { label: "x" } };
  const first = { walletId: "w_firstfirstfirst", owner: "main", network: "regtest", epoch: 1 };
  const headers = { "idempotency-key": "setup-1" };

  test("and asked for again is the first one, in the object too", async () => {
    const door = fakeDoor({
      createWallet: () => ({ created: false, record: first }),
      envelope: () => "its own envelope",
      create: () => ({ ok: true, value: { created: false } }),
      policy: () => ({ ok: true, value: { policy: "its policy" } }),
    });
    const response = await send(door, create, { headers });
    expect([response.status, await response.json()]).toEqual([200, { ...first, policy: "its policy" }]);
    expect(door.told[door.calls.indexOf("main/w_firstfirstfirst.create")]?.slice(0, 2)).toEqual([first, "its own envelope"]);
  });

  test("and half made is completed with its own envelope", async () => {
    const door = fakeDoor({ createWallet: () => ({ created: false, record: first }), envelope: () => "its own envelope" });
    const response = await send(door, create, { headers });
    expect([response.status, ((await response.json()) as { walletId: string }).walletId]).toEqual([201, first.walletId]);
    expect(door.calls).toEqual(["owner:main.createWallet", "owner:main.envelope", "main/w_firstfirstfirst.create"]);
  });

  test("with another body is a conflict, and no object is touched", async () => {
    const door = fakeDoor({ createWallet: () => ({ created: false, record: first, conflict: true }) });
    const response = await send(door, create, { headers });
    expect([response.status, ((await response.json()) as { code: string }).code]).toEqual([409, "idempotency_conflict"]);
    expect(door.calls).toEqual(["owner:main.createWallet"]);
  });

  test("is told by what was asked, and a mnemonic leaves not even its hash", async () => {
    const hashOf = async (body: Readonly<Record<string, unknown>>): Promise<unknown> => {
      const door = fakeDoor();
      await send(door, { ...create, body }, { headers });
      return door.told[0]?.[2];
    };
    const [words, others, plain] = [await hashOf({ mnemonic: "a b" }), await hashOf({ mnemonic: "c d" }), await hashOf({})];
    expect(words).toEqual(others);
    expect(words).not.toEqual(plain);
    expect(await hashOf({ label: "x", preset: "starter" })).toEqual(await hashOf({ preset: "starter", label: "x" }));
    expect(plain).toEqual({ key: "setup-1", hash: expect.stringMatching(/^[0-9a-f]{64}$/u) as unknown });
  });

  test("that is no key is refused", async () => {
    for (const key of ["", "a b", "x".repeat(256)]) {
      const door = fakeDoor();
      await refused(await send(door, create, { headers: { "idempotency-key": key } }), "invalid_request", 400, door);
    }
  });
});
