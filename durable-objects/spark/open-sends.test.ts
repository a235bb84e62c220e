import type { Payment, Storage } from "@breeztech/breez-sdk-spark/web";
import { expect, test } from "vitest";
import { OpenSends } from "./open-sends.ts";

/** A storage with one cached item, and the updates it was given. */
function over(offset: string | null): {
  readonly sends: OpenSends;
  readonly applied: Payment[];
  read(key?: string): Promise<string | null>;
} {
  const applied: Payment[] = [];
  const inner = {
    getCachedItem: () => Promise.resolve(offset),
    applyPaymentUpdate: (payment: Payment) => Promise.resolve(applied.push(payment) > 0),
  } as Partial<Storage> as Storage;
  const sends = new OpenSends(inner);
  return { sends, applied, read: (key = "sync_offset") => sends.storage.getCachedItem(key) };
}

const htlcDetails = { paymentHash: "a".repeat(64), expiryTime: 1 };
const send = (status: Payment["status"], htlc: "waitingForPreimage" | "preimageShared" | "returned"): Payment => ({
  id: "operation",
  paymentType: "send",
  status,
  amount: 3n,
  fees: 1n,
  timestamp: 1,
  method: "lightning",
  details: { type: "lightning", invoice: "lnbcrt1", destinationPubkey: "02", htlcDetails: { ...htlcDetails, status: htlc } },
});

test("the place of a send stands a little before what has been read, and never before the beginning", async () => {
  expect(await over(JSON.stringify({ offset: 100 })).sends.place()).toBe(80);
  expect(await over(JSON.stringify({ offset: 3 })).sends.place()).toBe(0);
  expect(await over(null).sends.place()).toBe(0);
});

test("the list is read from a send's place while that is asked for, and from where it stopped before and after", async () => {
  const { sends, read } = over(JSON.stringify({ offset: 100, other: "kept" }));
  let seen: string | null = null;
  await sends.readFrom(80, async () => {
    seen = await read();
  });
  expect(seen).toBe(JSON.stringify({ offset: 80, other: "kept" }));
  expect(await read()).toBe(JSON.stringify({ offset: 100, other: "kept" }));
});

test("of two sends the earlier place is read from, and one behind the end changes nothing", async () => {
  const { sends, read } = over(JSON.stringify({ offset: 100 }));
  const ask = (place: number, then: () => Promise<unknown>): Promise<unknown> => sends.readFrom(place, then);
  expect(await ask(80, () => ask(40, () => read()))).toBe(JSON.stringify({ offset: 40 }));
  expect(await ask(400, () => read())).toBe(JSON.stringify({ offset: 100 }));
});

test("a sync that had read its place before it was asked for another is followed by a second", async () => {
  const { sends, read } = over(JSON.stringify({ offset: 100 }));
  let syncs = 0;
  await sends.readFrom(80, async () => {
    if (++syncs === 2) await read();
  });
  expect(syncs).toBe(2);
});

test("where nothing has been read yet, and under every other key, the storage speaks for itself", async () => {
  const { sends, read } = over(null);
  expect(await sends.readFrom(80, () => read())).toBeNull();
  const account = over("not JSON");
  expect(await account.sends.readFrom(80, () => account.read("account_info"))).toBe("not JSON");
});

test("invariant 4: a send is failed only once its leaves are back; all else is stored as it comes", async () => {
  const { sends, applied } = over(null);
  for (const payment of [
    send("failed", "waitingForPreimage"),
    send("failed", "preimageShared"),
    send("failed", "returned"),
    send("completed", "preimageShared"),
    { ...send("failed", "waitingForPreimage"), paymentType: "receive" } as const,
  ])
    await sends.storage.applyPaymentUpdate(payment);
  expect(applied.map(({ status }) => status)).toEqual(["pending", "pending", "failed", "completed", "failed"]);
});
