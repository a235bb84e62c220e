import { expect, test } from "vitest";
import { receiptChain } from "../control-plane/contract.ts";
import type { ReceiptRecord } from "../lightning/control-plane.ts";
import type { ReadPage } from "./receipts-answer.ts";
import { wholeHistory } from "./receipts-history.ts";

const CHAIN = receiptChain("main", "w1", 10);
const pageOf = (chain: readonly ReceiptRecord[], { after, limit }: { readonly after: number; readonly limit: number }) =>
  chain.filter(({ receipt }) => receipt.sequence > after).slice(0, limit);
const numbers = (records: readonly ReceiptRecord[]): readonly number[] => records.map(({ receipt }) => receipt.sequence);

/** A wallet that has kept the numbers from `first` on, and a control plane that holds those up to `held`. */
function history(first: number, held: number) {
  const asked: string[] = [];
  const own: ReadPage = async (page) => {
    const receipts = pageOf(CHAIN.slice(first - 1), page);
    return { ok: true, value: { receipts, next: receipts.length < page.limit ? null : (receipts.at(-1)?.receipt.sequence ?? null) } };
  };
  const read = wholeHistory(own, { receipts: async (id, page) => (asked.push(id), pageOf(CHAIN.slice(0, held), page)) }, "w1");
  return { read, asked };
}

async function all(read: ReadPage, limit: number): Promise<readonly number[]> {
  const found: number[] = [];
  for (let after: number | null = 0; after !== null;) {
    const page: Awaited<ReturnType<ReadPage>> = await read({ after, limit });
    if (!page.ok) throw new Error(page.code);
    found.push(...numbers(page.value.receipts));
    after = page.value.next;
  }
  return found;
}

test("invariant 14: what the wallet has let go comes from the control plane, each number once, whatever the page", async () => {
  for (const limit of [1, 2, 3, 7, 200]) {
    for (const first of [1, 2, 6, 10]) {
      expect(await all(history(first, 9).read, limit), `pages of ${limit}, kept from ${first}`).toEqual(numbers(CHAIN));
    }
  }
});

test("a wallet that has kept everything asks nobody, and neither does a page beyond its end", async () => {
  const { read, asked } = history(1, 10);
  await all(read, 4);
  expect(await read({ after: 10, limit: 4 })).toEqual({ ok: true, value: { receipts: [], next: null } });
  expect(asked).toEqual([]);
});

test("where the control plane has nothing either, what the wallet has kept is shown", async () => {
  expect(await all(history(6, 0).read, 3)).toEqual([6, 7, 8, 9, 10]);
});

test("a refusal of the wallet stays one", async () => {
  const read = wholeHistory(
    async () => ({ ok: false, code: "not_found", detail: "no such wallet" }),
    { receipts: async () => CHAIN },
    "w1",
  );
  expect(await read({ after: 0, limit: 5 })).toMatchObject({ ok: false, code: "not_found" });
});
