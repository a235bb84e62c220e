import { describe, expect, test } from "vitest";
import { ERRORS, isCode, type Code } from "../lightning/errors.ts";
import { sats } from "../lightning/msat.ts";
import { flowResponse, problemResponse } from "./answers.ts";
import { receiptsAnswer } from "./receipts-answer.ts";
import { readBody } from "./read-body.ts";
import type { ReceiptRecord } from "../lightning/control-plane.ts";

const codes = Object.keys(ERRORS).filter(isCode);

test.each(codes)("%s is a problem document with the outcome in its header", async (code: Code) => {
  const response = problemResponse(code, "why", { purchaseId: "p", receiptId: "rcpt_1" });
  expect(response.status).toBe(ERRORS[code].status);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    "content-type": "application/problem+json",
    "cache-control": "no-store",
    "lightning-status": ERRORS[code].outcome,
    "lightning-purchase": "p",
    "lightning-receipt": "rcpt_1",
  });
  expect(await response.json()).toMatchObject({
    code,
    detail: "why",
    retryable: ERRORS[code].retryable,
    fix: ERRORS[code].fix,
    purchaseId: "p",
    receiptId: "rcpt_1",
  });
  expect(response.headers.get("retry-after") !== null).toBe(
    ERRORS[code].retryable && (ERRORS[code].outcome === "pending" || [429, 503].includes(ERRORS[code].status)),
  );
});

describe("a seller's answer", () => {
  const answer = (status: number, body: string | null) =>
    flowResponse(
      {
        kind: "answer",
        status: "paid",
        purchaseId: "p",
        receiptId: "rcpt_1",
        spentMsat: sats(21),
        response: {
          status,
          headers: new Headers({ "content-type": "text/plain", "cache-control": "public" }),
          body: body === null ? null : new Response(body).body,
        },
      },
      null,
    );

  test("keeps status, type and body, and says what was paid", async () => {
    const response = answer(418, "tea");
    expect(await response.text()).toBe("tea");
    expect([response.status, Object.fromEntries(response.headers)]).toEqual([
      418,
      {
        "content-type": "text/plain",
        "cache-control": "no-store",
        "lightning-status": "paid",
        "lightning-purchase": "p",
        "lightning-receipt": "rcpt_1",
        "lightning-spent-msat": "21000",
      },
    ]);
  });

  test.each([204, 205, 304])("with status %i has no body", (status) => {
    expect([answer(status, "x").status, answer(status, "x").body]).toEqual([status, null]);
  });
});

describe("receipts", () => {
  const records = Array.from(
    { length: 450 },
    (_, index) => ({ receiptId: `rcpt_${index + 1}`, chain: "c", receipt: { sequence: index + 1 } }) as ReceiptRecord,
  );
  const pages: number[] = [];
  const read = ({ after, limit }: { after: number; limit: number }) => {
    pages.push(limit);
    const receipts = records.slice(after, after + limit);
    return Promise.resolve({ ok: true as const, value: { receipts, next: after + limit < records.length ? after + limit : null } });
  };

  test("come as one page of JSON", async () => {
    const page = (await (await receiptsAnswer(read, { after: "10", limit: "5" }, null)).json()) as { receipts: unknown[]; next: number };
    expect([page.receipts.length, page.next]).toEqual([5, 15]);
  });

  test.each([
    [{ format: "jsonl" as const }, null],
    [{}, "application/jsonl"],
    [{}, "text/html, application/x-ndjson;q=0.9"],
  ])("come whole as JSON lines for %j, Accept %j", async (asked, accept) => {
    const response = await receiptsAnswer(read, asked, accept);
    const lines = (await response.text()).trimEnd().split("\n");
    expect(response.headers.get("content-type")).toBe("application/jsonl");
    expect(lines.map((line) => (JSON.parse(line) as ReceiptRecord).receiptId)).toEqual(records.map(({ receiptId }) => receiptId));
  });

  test("a refusal on the first page is a refusal, on a later one a cut stream", async () => {
    const no = { ok: false as const, code: "not_found" as const, detail: "no" };
    expect((await receiptsAnswer(() => Promise.resolve(no), { format: "jsonl" }, null)).status).toBe(404);
    const cut = await receiptsAnswer((page) => (page.after === 0 ? read(page) : Promise.resolve(no)), { format: "jsonl" }, null);
    expect(await cut.text().catch((error: unknown) => (error instanceof Error ? error.message : "none"))).toBe("not_found");
  });
});

describe("a request's body", () => {
  const request = (body: BodyInit | null, headers: Readonly<Record<string, string>> = {}): Request =>
    new Request("https://a.example/", { method: "POST", headers, body, ...(body instanceof ReadableStream ? { duplex: "half" } : {}) });
  const chunks = (count: number, taken: { count: number }) =>
    new ReadableStream<Uint8Array>({
      pull(controller) {
        taken.count += 1;
        if (taken.count > count) controller.close();
        else controller.enqueue(new Uint8Array(100).fill(taken.count));
      },
    });

  test("is read whole up to the cap", async () => {
    expect(await readBody(request(null), 10)).toEqual({ ok: true, bytes: null });
    expect(await readBody(request("0123456789"), 10)).toEqual({ ok: true, bytes: new TextEncoder().encode("0123456789") });
    const read = await readBody(request(chunks(3, { count: 0 })), 300);
    expect(read.ok && read.bytes?.length).toBe(300);
  });

  test("over the cap is refused at once when announced, and without reading on when not", async () => {
    expect(await readBody(request("0123456789a"), 10)).toEqual({ ok: false });
    const taken = { count: 0 };
    expect(await readBody(request(chunks(1000, taken)), 250)).toEqual({ ok: false });
    expect(taken.count).toBeLessThan(6);
  });
});
