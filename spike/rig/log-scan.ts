/**
 * What a log says when code asks for something the platform does not have, or when the wasm breaks. Lines of wrangler about its own
 * machine (no network for `Request.cf`, cron triggers) are not ours. Pure, and tested with lines that were really seen.
 */

const SUSPECT: readonly (readonly [string, RegExp])[] = [
  ["not implemented", /\b(?:not (?:yet )?implemented|is not supported|unsupported)\b/iu],
  ["missing function", /\bis not a (?:function|constructor)\b/u],
  ["missing name", /\bReferenceError\b|\bis not defined\b/u],
  ["global scope", /Disallowed operation called within global scope/u],
  ["another request's object", /Cannot perform I\/O on behalf of a different (?:request|Durable Object)/u],
  ["hung promise", /Promise will never complete|code had hung/iu],
  ["panic", /\bpanicked at\b|RuntimeError: unreachable|recursive use of an object|null pointer passed to rust/iu],
  ["runtime compile", /Wasm code generation disallowed|WebAssembly\.Module\(\): .*disallowed/iu],
  ["uncaught", /\bUncaught\b(?! \(in promise\) undefined)/u],
  ["missing module", /No such module|Could not resolve|wasn't found on the file system/u],
];
const NOT_OURS: readonly RegExp[] = [
  /Request\.cf/u,
  /^Failed to parse config for metrics/u,
  /getaddrinfo ENOTFOUND workers\.cloudflare\.com/u,
];

export interface Suspicion {
  readonly what: string;
  /** Its beginning; a log line holds no secret (invariant 9), and the canary scan sees to that. */
  readonly line: string;
}

export function suspiciousLines(log: string): readonly Suspicion[] {
  return log.split("\n").flatMap((line) => {
    if (NOT_OURS.some((pattern) => pattern.test(line))) return [];
    const found = SUSPECT.find(([, pattern]) => pattern.test(line));
    return found === undefined ? [] : [{ what: found[0], line: line.trim().slice(0, 160) }];
  });
}

export const LOOKED_FOR: readonly string[] = SUSPECT.map(([what]) => what);
