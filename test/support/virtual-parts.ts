/** Small parts of the virtual world: an emptied database, quiet, and a seller's answer as `fetch` would give it. */
import type { PlainResponse } from "../../sandbox/http-server.ts";
import type { SellerResponse } from "../../worker/flow-types.ts";
import type { NodeSql } from "./sql-node.ts";

/** Leaves the schema and what is prepared for it, and no row. Children were created after their parents, so they go first. */
export function empty(sql: NodeSql): void {
  const tables = sql.rows<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'migration' AND name NOT LIKE 'sqlite_%' ORDER BY rowid DESC",
  );
  for (const { name } of tables) sql.rows(`DELETE FROM ${name}`);
}

/** Quiet: what is left can only be set off by a timer. Streams take a turn of the event loop or two. */
export async function drain(): Promise<void> {
  for (let turns = 0; turns < 4; turns++) await new Promise<void>((resolve) => setImmediate(resolve));
}

export function asSellerResponse({ status, headers, body }: PlainResponse): SellerResponse {
  const all = new Headers(headers.map(([name, value]): [string, string] => [name, value]));
  // A server announces the length of a body that it has in hand.
  if (body instanceof Uint8Array) all.set("content-length", String(body.byteLength));
  return {
    status,
    headers: all,
    body: body instanceof Uint8Array ? (new Response(Uint8Array.from(body)).body as ReadableStream<Uint8Array>) : streamOf(body),
  };
}

function streamOf(chunks: AsyncIterable<Uint8Array>): ReadableStream<Uint8Array> {
  const iterator = chunks[Symbol.asyncIterator]();
  return new ReadableStream({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done === true) controller.close();
      else controller.enqueue(value);
    },
  });
}

export function uuid(bytes: Uint8Array): string {
  const hex = Buffer.from(bytes).toString("hex");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}
