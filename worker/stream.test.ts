import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { FakeClock, LIMITS } from "./flow-fakes.ts";
import { guard, type GuardOptions } from "./stream.ts";

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
const sha = (data: Uint8Array | string): string => createHash("sha256").update(data).digest("hex");

/** A seller whose chunks the test hands over one at a time. */
function tap(): {
  body: ReadableStream<Uint8Array>;
  send: (chunk: Uint8Array) => void;
  close: () => void;
  fail: () => void;
  cancelled: () => boolean;
} {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let cancelled = false;
  const body = new ReadableStream<Uint8Array>({
    start(given) {
      controller = given;
    },
    cancel() {
      cancelled = true;
    },
  });
  return {
    body,
    send: (chunk) => controller.enqueue(chunk),
    close: () => controller.close(),
    fail: () => controller.error(new Error("reset")),
    cancelled: () => cancelled,
  };
}

function options(
  limits: Partial<GuardOptions["limits"]> = {},
): GuardOptions & { readonly clock: FakeClock; readonly aborted: () => boolean } {
  const clock = new FakeClock();
  let aborted = false;
  return { limits: { ...LIMITS, ...limits }, startedAt: clock.now(), clock, abort: () => void (aborted = true), aborted: () => aborted };
}

describe("a guarded stream", () => {
  test("hands on each event as it comes, before the next exists", async () => {
    const seller = tap();
    const { stream, passed } = guard(seller.body, options());
    const reader = stream.getReader();
    for (const event of ["data: 1\n\n", "data: 2\n\n", "data: 3\n\n"]) {
      seller.send(bytesOf(event));
      expect(new TextDecoder().decode((await reader.read()).value)).toBe(event);
    }
    seller.close();
    expect((await reader.read()).done).toBe(true);
    const all = "data: 1\n\ndata: 2\n\ndata: 3\n\n";
    expect(await passed).toEqual({ bytes: all.length, sha256: sha(all), complete: true });
  });

  test("splits a large chunk into pieces of 64 KiB and hashes them all", async () => {
    const seller = tap();
    const big = new Uint8Array(200_000).map((_, index) => index % 251);
    seller.send(big);
    seller.close();
    const { stream, passed } = guard(seller.body, options());
    const sizes: number[] = [];
    for await (const piece of stream) sizes.push(piece.length);
    expect(sizes).toEqual([65_536, 65_536, 65_536, 3_392]);
    expect(await passed).toEqual({ bytes: 200_000, sha256: sha(big), complete: true });
  });

  test("reads nothing that the caller has not asked for", async () => {
    let pulls = 0;
    const body = new ReadableStream<Uint8Array>(
      {
        pull(controller) {
          pulls += 1;
          controller.enqueue(bytesOf("x"));
        },
      },
      { highWaterMark: 0 },
    );
    const reader = guard(body, options()).stream.getReader();
    expect(pulls).toBe(0);
    await reader.read();
    expect(pulls).toBe(1);
  });

  test("errors at the byte cap, and what went before it is counted", async () => {
    const seller = tap();
    const given = options({ maxBytes: 5 });
    const { stream, passed } = guard(seller.body, given);
    const reader = stream.getReader();
    seller.send(bytesOf("12345"));
    await reader.read();
    seller.send(bytesOf("6"));
    await expect(reader.read()).rejects.toMatchObject({ code: "response_too_large" });
    expect(await passed).toEqual({ bytes: 5, sha256: sha("12345"), complete: false });
    expect([given.aborted(), seller.cancelled()]).toEqual([true, true]);
  });

  test("errors when the seller falls silent, without a hash if nothing came", async () => {
    const seller = tap();
    const given = options({ idleMs: 100 });
    const { stream, passed } = guard(seller.body, given);
    await expect(given.clock.drive(stream.getReader().read())).rejects.toMatchObject({ code: "seller_timeout" });
    expect(given.clock.now() - given.startedAt).toBe(100);
    expect(await passed).toEqual({ bytes: 0, sha256: null, complete: false });
    expect(given.clock.waiting).toBe(0);
  });

  test("errors when the whole takes too long, however lively it is", async () => {
    const given = options({ idleMs: 100, totalMs: 250 });
    const body = new ReadableStream<Uint8Array>(
      {
        async pull(controller) {
          await given.clock.timer(90).done;
          controller.enqueue(bytesOf("."));
        },
      },
      { highWaterMark: 0 },
    );
    const { stream, passed } = guard(body, given);
    const reader = stream.getReader();
    await given.clock.drive(reader.read());
    await given.clock.drive(reader.read());
    await expect(given.clock.drive(reader.read())).rejects.toMatchObject({ code: "seller_timeout" });
    expect(given.clock.now() - given.startedAt).toBe(250);
    expect(await passed).toEqual({ bytes: 2, sha256: sha(".."), complete: false });
  });

  test("a connection that breaks is an incomplete delivery", async () => {
    const seller = tap();
    const { stream, passed } = guard(seller.body, options());
    const reader = stream.getReader();
    seller.send(bytesOf("half"));
    await reader.read();
    seller.fail();
    await expect(reader.read()).rejects.toMatchObject({ code: "seller_unreachable" });
    expect(await passed).toEqual({ bytes: 4, sha256: sha("half"), complete: false });
  });

  test("a caller who leaves cancels the seller, also while a read is waiting", async () => {
    const seller = tap();
    const given = options();
    const { stream, passed } = guard(seller.body, given);
    const reader = stream.getReader();
    const waiting = reader.read();
    await reader.cancel("gone");
    expect((await waiting).done).toBe(true);
    expect([given.aborted(), seller.cancelled()]).toEqual([true, true]);
    expect(await passed).toEqual({ bytes: 0, sha256: null, complete: false });
  });

  test("an empty body is complete", async () => {
    const seller = tap();
    seller.close();
    const { stream, passed } = guard(seller.body, options());
    expect((await stream.getReader().read()).done).toBe(true);
    expect(await passed).toEqual({ bytes: 0, sha256: sha(""), complete: true });
  });
});
