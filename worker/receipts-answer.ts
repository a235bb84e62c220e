/** Receipts as a page of JSON, or all of them as JSON lines: what `receipts verify` reads, streamed so that a long history fits. */
import type { ReceiptRecord } from "../lightning/control-plane.ts";
import type { Result } from "../lightning/wallet-admin.ts";
import { problemResponse, resultResponse } from "./answers.ts";

type Page = { readonly after: number; readonly limit: number };
export type ReadPage = (page: Page) => Promise<Result<{ readonly receipts: readonly ReceiptRecord[]; readonly next: number | null }>>;

export interface ReceiptsAsked {
  readonly after?: string;
  readonly limit?: string;
  readonly format?: "json" | "jsonl";
}

const DEFAULT_PAGE = 100;
const STREAM_PAGE = 200;
/** No answer is endless: after two million receipts a client goes on by `after`. */
const MAX_PAGES = 10_000;

/** @param asked a query that has passed its schema @param accept the header; `application/jsonl` asks for lines as `format=jsonl` does */
export async function receiptsAnswer(read: ReadPage, asked: ReceiptsAsked, accept: string | null): Promise<Response> {
  const after = asked.after === undefined ? 0 : Number(asked.after);
  const lines = asked.format === "jsonl" || (asked.format === undefined && /\bapplication\/(?:x-)?(?:jsonl|ndjson)\b/iu.test(accept ?? ""));
  if (!lines) return resultResponse(await read({ after, limit: asked.limit === undefined ? DEFAULT_PAGE : Number(asked.limit) }));
  // The first page is read before the status is sent: a refusal must not come as a broken 200.
  const first = await read({ after, limit: STREAM_PAGE });
  if (!first.ok) return problemResponse(first.code, first.detail);
  return new Response(stream(read, first.value), { headers: { "content-type": "application/jsonl", "cache-control": "no-store" } });
}

function stream(
  read: ReadPage,
  first: { readonly receipts: readonly ReceiptRecord[]; readonly next: number | null },
): ReadableStream<Uint8Array> {
  const utf8 = new TextEncoder();
  let page = first;
  let pages = 0;
  return new ReadableStream<Uint8Array>({
    async pull(controller) {
      if (pages > 0) {
        if (page.next === null || pages >= MAX_PAGES) return controller.close();
        const next = await read({ after: page.next, limit: STREAM_PAGE });
        // A cut stream, not a short one: who exports must not take a part for the whole.
        if (!next.ok) return controller.error(new Error(next.code));
        page = next.value;
      }
      pages += 1;
      if (page.receipts.length === 0) return controller.close();
      controller.enqueue(utf8.encode(page.receipts.map((record) => `${JSON.stringify(record)}\n`).join("")));
    },
  });
}
