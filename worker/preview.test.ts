import { describe, expect, test } from "vitest";
import { preview } from "./preview.ts";

const answer = (body: BodyInit | null, contentType: string | null): { headers: Headers; body: ReadableStream<Uint8Array> | null } => {
  const headers = new Headers();
  if (contentType !== null) headers.set("content-type", contentType);
  return { headers, body: new Response(body).body };
};

describe("a preview", () => {
  test("keeps JSON as the text it is", async () => {
    expect(await preview(answer('{"a": 1.0}', "application/json; charset=utf-8"))).toEqual({
      contentType: "application/json; charset=utf-8",
      text: '{"a": 1.0}',
      truncated: false,
    });
  });

  test.each(["text/html", "text/event-stream", "application/problem+json", "application/atom+xml", "application/x-ndjson"])(
    "shows %s",
    async (type) => {
      expect((await preview(answer("x", type))).text).toBe("x");
    },
  );

  test.each(["image/png", "application/octet-stream", "application/pdf", null])(
    "does not show %s, and lets the seller go",
    async (type) => {
      let cancelled = false;
      const body = new ReadableStream<Uint8Array>({ cancel: () => void (cancelled = true) });
      const headers = new Headers(type === null ? {} : { "content-type": type });
      expect(await preview({ headers, body })).toEqual({ contentType: type, text: null, truncated: true });
      expect(cancelled).toBe(true);
    },
  );

  test("stops reading an endless stream once it has enough", async () => {
    let chunks = 0;
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          chunks += 1;
          controller.enqueue(new TextEncoder().encode("0123456789"));
        },
        cancel: () => void (cancelled = true),
      },
      { highWaterMark: 0 },
    );
    const shown = await preview({ headers: new Headers({ "content-type": "text/plain" }), body }, 25);
    expect(shown).toEqual({ contentType: "text/plain", text: "0123456789012345678901234".slice(0, 25), truncated: true });
    expect([chunks, cancelled]).toEqual([3, true]);
  });

  test("decodes UTF-8 across chunks and halves no pair of surrogates", async () => {
    const bytes = new TextEncoder().encode("a\u{1F600}b");
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
        controller.close();
      },
    });
    const [whole, cut] = body.tee();
    const headers = new Headers({ "content-type": "text/plain" });
    expect((await preview({ headers, body: whole })).text).toBe("a\u{1F600}b");
    expect(await preview({ headers, body: cut }, 2)).toMatchObject({ text: "a", truncated: true });
  });

  test("exactly maxChars is not truncated", async () => {
    expect(await preview(answer("12345", "text/plain"), 5)).toMatchObject({ text: "12345", truncated: false });
  });

  test("shows what came before a cut", async () => {
    let sent = false;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          if (sent) controller.error(new Error("cut"));
          else controller.enqueue(new TextEncoder().encode("half"));
          sent = true;
        },
      },
      { highWaterMark: 0 },
    );
    expect(await preview({ headers: new Headers({ "content-type": "text/plain" }), body })).toMatchObject({
      text: "half",
      truncated: true,
    });
  });

  test("an answer without a body is an empty text", async () => {
    expect(await preview(answer(null, null))).toEqual({ contentType: null, text: "", truncated: false });
  });
});
