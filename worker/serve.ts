/** From the seller's headers to the caller's answer: elsewhere, too large, or its status with a guarded stream. */
import { ZERO } from "../lightning/msat.ts";
import type { Credential, FetchLimits } from "../lightning/wallet-api.ts";
import { discard, isBodiless, type Asked } from "./ask.ts";
import { headersForCaller } from "./headers.ts";
import { hopOf } from "./redirect.ts";
import { within } from "./retry.ts";
import { fail, problem, unfulfilled, type Leg, type ProblemAnswer, type Run } from "./run.ts";
import { guard, passedWhole, type Passed } from "./stream.ts";

export type Arrived = Extract<Asked, { kind: "response" }>;

/** A body that takes longer is told about before it ends. */
const LONG_MS = 1000;

export const isSuccess = (status: number): boolean => status >= 200 && status <= 299;

/** @param credential the one this answer was given to; the seller has not refused it */
export async function serve(
  run: Run,
  { response, whole, startedAt, abort }: Arrived,
  credential: Credential | null,
  limits: FetchLimits,
): Promise<Leg> {
  const { ports, call, url, line, hopsLeft } = run;
  const { status, headers } = response;
  const secret = credential?.authorization ?? null;
  const hop = hopOf({
    status,
    location: headers.get("location"),
    method: call.method,
    from: url,
    hopsLeft,
    localHosts: ports.localHosts,
    secret,
  });
  if (hop.kind !== "none") discard(response);
  if (hop.kind === "refuse") return redirectRefused(run, credential, status, hop.why);
  if (hop.kind === "follow") {
    if (credential === null) await line.conclude({ kind: "free", status });
    return { kind: "moved", run, to: hop.url, status, credential };
  }

  const bodiless = isBodiless(call.method, status);
  const announced = Number(headers.get("content-length") ?? "0");
  if (!bodiless && announced > limits.maxBytes) {
    discard(response);
    return tooLarge(run, credential, status, `${announced} bytes announced, at most ${limits.maxBytes} pass`);
  }

  // A 2xx to the credential fulfils; a cached one that met another answer was paid and settled for elsewhere.
  const broken = credential?.status === "paid" && !isSuccess(status);
  const receiptId =
    credential === null
      ? await line.conclude({ kind: "free", status })
      : broken
        ? ((await line.conclude({ kind: "unfulfilled", credentialId: credential.id, status })) ?? credential.receiptId)
        : credential.receiptId;

  if (bodiless) discard(response);
  const guarded = bodiless || response.body === null ? null : guard(response.body, { limits, startedAt, clock: ports.clock, abort });
  if (!broken) {
    // Told to the platform before the first byte: a caller who leaves must not take the record with him.
    ports.waitUntil(report(run, credential, status, guarded?.passed ?? Promise.resolve(passedWhole(whole ?? new Uint8Array()))));
  }
  return {
    kind: "answer",
    status: broken ? "paid_unfulfilled" : (credential?.status ?? "free"),
    response: { status, headers: headersForCaller(headers, { secret, bodiless }), body: guarded?.stream ?? bytesAsBody(whole) },
    purchaseId: line.purchaseId,
    receiptId,
    spentMsat: credential?.spentMsat ?? ZERO,
  };
}

const bytesAsBody = (whole: Uint8Array | null): ReadableStream<Uint8Array> | null =>
  whole === null || whole.length === 0 ? null : new Response(whole).body;

/**
 * The delivery record at the end of the body. That a credential has served is worth telling before the end of a long stream: the
 * purchase's lease would run out in the middle of it, and others would take a new credential for one that never served.
 */
async function report({ ports, line }: Run, credential: Credential | null, status: number, passed: Promise<Passed>): Promise<void> {
  const record = { credentialId: credential?.id ?? null, status };
  if (credential !== null && (await within(ports.clock, LONG_MS, passed)).kind === "late") {
    await line.delivered({ ...record, bytes: 0, sha256: null, complete: false });
  }
  await line.delivered({ ...record, ...(await passed) });
}

async function redirectRefused(run: Run, credential: Credential | null, status: number, why: string): Promise<ProblemAnswer> {
  if (credential?.status === "paid")
    return unfulfilled(run, credential, status, `The seller was paid and redirected (${status}), which was not followed: ${why}`);
  return fail(run, "redirect_refused", `status ${status}: ${why}`);
}

async function tooLarge(run: Run, credential: Credential | null, status: number, why: string): Promise<ProblemAnswer> {
  const { ports, line } = run;
  if (credential === null) return fail(run, "response_too_large", why);
  if (credential.status === "paid" && !isSuccess(status)) {
    return { ...(await unfulfilled(run, credential, status, why)), code: "response_too_large" };
  }
  // The seller did serve; that we cut it is no fault of the credential, which stays good for a smaller request.
  ports.waitUntil(line.delivered({ credentialId: credential.id, status, bytes: 0, sha256: null, complete: false }));
  return problem(line.purchaseId, "response_too_large", why, credential.receiptId);
}
