/** A request's body in memory, up to a cap: it is hashed, sent, and perhaps sent once more after paying. */
export type BodyRead = { readonly ok: true; readonly bytes: Uint8Array | null } | { readonly ok: false };

/** @returns `bytes: null` where there is no body; `ok: false` as soon as more than `most` bytes are announced or have come */
export async function readBody(request: Pick<Request, "headers" | "body">, most: number): Promise<BodyRead> {
  if (request.body === null) return { ok: true, bytes: null };
  if (Number(request.headers.get("content-length") ?? 0) > most) return { ok: false };
  const chunks: Uint8Array[] = [];
  let length = 0;
  const reader = (request.body as ReadableStream<Uint8Array>).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > most) {
      await reader.cancel();
      return { ok: false };
    }
    chunks.push(value);
  }
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return { ok: true, bytes };
}
