/**
 * `npm run inspect -- URL`: what a seller asks, without paying. Nothing is sent but one GET, although an Aperture makes an invoice for it.
 * `npm run --silent inspect -- --json`: the same reading for machines, one `WWW-Authenticate` value (a JSON string, or an array of header
 * lines) a line in, one document a line out. Only the documents carry token and invoice; the text for people names the payment hash.
 * Exit code: 0 payable or free, or every line answered; 1 nothing may be paid; 2 usage.
 */
import { once } from "node:events";
import { request as httpRequest, STATUS_CODES, type IncomingMessage } from "node:http";
import { request as httpsRequest } from "node:https";
import type { Network } from "../lightning/bolt11.ts";
import { formatSats } from "../lightning/msat.ts";
import { readOffers, type Fault, type Offer, type Offers } from "../lightning/offers.ts";
import { readFlags } from "./arguments.ts";

const USAGE = "usage: inspect URL | inspect --json [URL] [--now ISO-8601] [--network mainnet|testnet|signet|regtest]";
const NETWORKS: readonly Network[] = ["mainnet", "testnet", "signet", "regtest"];
/** Node's 16 KiB would hide exactly the challenges worth looking at. */
const MAX_HEADER_BYTES = 262_144;
const TIMEOUT_MS = 15_000;

interface Options {
  readonly url: URL | null;
  readonly json: boolean;
  readonly network: Network | null;
  /** Epoch ms, asked for each document unless `--now` fixed it. */
  readonly now: () => number;
}

interface Inspection {
  /** HTTP status, or null when there was no answer. */
  readonly status: number | null;
  readonly free: boolean;
  readonly read: Offers;
}

const nothing = (error: Fault | null): Offers => ({ offers: [], others: [], choice: null, error });

function readOptions(argv: readonly string[]): Options | string {
  const flagged: string[] = [];
  const plain: string[] = [];
  for (let index = 0; index < argv.length; index++) {
    const argument = argv[index] ?? "";
    if (!argument.startsWith("--")) plain.push(argument);
    else if (argument === "--json" || argument.includes("=")) flagged.push(argument);
    else flagged.push(argument, ...argv.slice(++index, index + 1));
  }
  const parsed = readFlags(flagged, { json: "boolean", now: "string", network: "string" });
  if (!parsed.ok) return parsed.line;
  const { json, now, network } = parsed.flags;
  if (plain.length > 1) return `One URL at a time. ${USAGE}`;
  if (plain.length === 0 && !json) return USAGE;
  const chosen = NETWORKS.find((name) => name === network) ?? null;
  if (network !== null && chosen === null) return `--network is one of ${NETWORKS.join(", ")}.`;
  const instant = now === null ? null : readInstant(now);
  if (Number.isNaN(instant)) return "--now is an instant such as 2026-11-22T12:00:00Z.";
  const url = plain[0] === undefined ? null : URL.parse(plain[0]);
  if (plain.length === 1 && (url === null || !["http:", "https:"].includes(url.protocol) || url.username !== "" || url.password !== "")) {
    return "The URL must be an absolute http or https URL without user info.";
  }
  return { url, json, network: chosen, now: () => instant ?? Date.now() };
}

/** ISO 8601 with its zone, or a date alone (UTC): what a machine's own zone would change is not an instant. NaN for anything else. */
function readInstant(text: string): number {
  return /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d))?$/u.test(text) ? Date.parse(text) : Number.NaN;
}

/** One GET, redirects not followed, the body left unread. Not `fetch`, whose limit for headers is fixed. */
async function ask(url: URL): Promise<IncomingMessage> {
  const send = url.protocol === "https:" ? httpsRequest : httpRequest;
  const headers = { "user-agent": "lightning-worker-inspect" };
  const request = send(url.href, { headers, maxHeaderSize: MAX_HEADER_BYTES, agent: false, signal: AbortSignal.timeout(TIMEOUT_MS) });
  request.end();
  const [response] = (await once(request, "response")) as [IncomingMessage];
  request.on("error", () => undefined); // cutting the body off is what we want, and no news
  response.destroy();
  return response;
}

async function inspectUrl(url: URL, options: Options): Promise<Inspection> {
  let response: IncomingMessage;
  try {
    response = await ask(url);
  } catch (cause) {
    const timedOut = cause instanceof Error && cause.name === "AbortError";
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "no answer";
    const error: Fault = timedOut
      ? { code: "seller_timeout", detail: `no answer within ${TIMEOUT_MS / 1000} s` }
      : { code: "seller_unreachable", detail: reason };
    return { status: null, free: false, read: nothing(error) };
  }
  const status = response.statusCode ?? 0;
  const header = response.headersDistinct["www-authenticate"]?.join(", ") ?? null;
  if (status === 402) return { status, free: false, read: readOffers(header, { network: options.network, now: options.now() }) };
  if (status >= 200 && status < 300) return { status, free: true, read: nothing(null) };
  const redirect = status >= 300 && status < 400;
  const error: Fault = redirect
    ? { code: "redirect_refused", detail: `the seller answered ${status} and points elsewhere` }
    : { code: "challenge_missing", detail: `the seller answered ${status}, which asks for no payment` };
  return { status, free: false, read: nothing(error) };
}

/** The public shape of a document: instants in ISO 8601, nothing that is not promised. */
function document({ offers, others, choice, error }: Offers): Record<string, unknown> {
  return { offers: offers.map(offerDocument), others, choice: choice === null ? null : offerDocument(choice), error };
}

function offerDocument(offer: Offer): Record<string, unknown> {
  const { scheme, token, invoice, amountMsat, paymentHash, network, expiresAt, caveats, validUntil, binding } = offer;
  return {
    scheme,
    token,
    invoice,
    amountMsat,
    paymentHash,
    network,
    expiresAt: iso(expiresAt),
    caveats,
    validUntil: validUntil === null ? null : iso(validUntil),
    binding,
  };
}

function readLine(line: string, options: Options): Offers {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return nothing({ code: "invalid_request", detail: "the line is not JSON" });
  }
  const context = { network: options.network, now: options.now() };
  if (value === null || typeof value === "string") return readOffers(value, context);
  if (Array.isArray(value) && value.every((each) => typeof each === "string")) return readOffers(value.join(", "), context);
  return nothing({ code: "invalid_request", detail: "the line is neither a JSON string nor an array of strings" });
}

/** Lines end at "\n" alone: `node:readline` would also split at U+2028, which JSON strings may hold. Chunks are joined once a line. */
async function* linesOf(input: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let pieces: Buffer[] = [];
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, start)) {
      yield Buffer.concat([...pieces, chunk.subarray(start, end)]).toString("utf8");
      pieces = [];
      start = end + 1;
    }
    if (start < chunk.length) pieces.push(chunk.subarray(start));
  }
  yield Buffer.concat(pieces).toString("utf8");
}

async function print(line: string): Promise<void> {
  if (!process.stdout.write(`${line}\n`)) await once(process.stdout, "drain");
}

const iso = (at: number): string => new Date(at).toISOString();

/** A seller's words on an operator's terminal: no control sequences, no page-long text. */
function clean(text: string): string {
  const bare = text.replace(/\p{C}/gu, "·");
  return bare.length > 100 ? `${bare.slice(0, 99)}…` : bare;
}

function aligned(rows: readonly (readonly [name: string, value: string])[], indent = "  "): string[] {
  return rows.map(([name, value]) => `${indent}${name.padEnd(13)} ${value}`);
}

/** The same offer under two schemes, as Aperture writes it, is one offer for people. */
function folded(offers: readonly Offer[]): { readonly schemes: string[]; readonly offer: Offer }[] {
  const groups = new Map<string, { schemes: string[]; offer: Offer }>();
  for (const offer of offers) {
    const key = `${offer.token} ${offer.invoice}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { schemes: [offer.scheme], offer });
    else if (!group.schemes.includes(offer.scheme)) group.schemes.push(offer.scheme);
  }
  return [...groups.values()];
}

function forPeople(url: URL, { status, free, read }: Inspection, now: number): string[] {
  const lines = [`GET ${url.origin}${url.pathname}`]; // a query may hold what should not stay on a screen
  lines.push(...aligned([["status", status === null ? "no answer" : `${status} ${STATUS_CODES[status] ?? ""}`.trim()]]));
  if (free) return [...lines, ...aligned([["answer", "free: nothing is asked for"]])];
  folded(read.offers).forEach(({ schemes, offer }, index) => {
    const valid =
      offer.validUntil === null ? "as long as the seller likes" : `${iso(offer.validUntil)} (${distance(offer.validUntil, now)})`;
    lines.push(...aligned([[`offer ${index + 1}`, `${schemes.join(" and ")}, ${formatSats(offer.amountMsat)}`]]));
    lines.push(
      ...aligned(
        [
          ["network", offer.network],
          ["invoice until", `${iso(offer.expiresAt)} (${distance(offer.expiresAt, now)})`],
          ["token until", valid],
          ["services", offer.services === null ? "not named" : clean(offer.services)],
          ["payment hash", offer.paymentHash],
          ["binding", offer.binding === "verified" ? "verified: the token is bound to this payment" : "unverified: the token is opaque"],
          ["description", offer.description === null ? "none" : clean(offer.description)],
        ],
        "    ",
      ),
    );
  });
  if (read.others.length > 0) lines.push(...aligned([["others", `${clean(read.others.join(", "))} (not paid by us)`]]));
  if (read.choice !== null)
    lines.push(...aligned([["would pay", `${formatSats(read.choice.amountMsat)} under ${read.choice.scheme}, fee and policy aside`]]));
  if (read.error !== null)
    lines.push(
      ...aligned([
        ["would pay", "nothing"],
        ["error", `${read.error.code}: ${clean(read.error.detail)}`],
      ]),
    );
  return lines;
}

/** "in 23 h 59 min", "2 d 1 h ago". */
function distance(at: number, now: number): string {
  const seconds = Math.floor(Math.abs(at - now) / 1000);
  const units = [
    ["d", 86_400],
    ["h", 3600],
    ["min", 60],
    ["s", 1],
  ] as const;
  const from = Math.max(
    0,
    units.findIndex(([, size]) => seconds >= size),
  );
  let rest = seconds;
  const parts: string[] = [];
  for (const [name, size] of seconds === 0 ? [units[3]] : units.slice(from, from + 2)) {
    const count = Math.floor(rest / size);
    rest -= count * size;
    if (count > 0 || parts.length === 0) parts.push(`${count} ${name}`);
  }
  return at > now ? `in ${parts.join(" ")}` : `${parts.join(" ")} ago`;
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2));
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    return 2;
  }
  if (options.url !== null) {
    const inspection = await inspectUrl(options.url, options);
    if (options.json) await print(JSON.stringify({ status: inspection.status, ...document(inspection.read) }));
    else await print(forPeople(options.url, inspection, options.now()).join("\n"));
    return inspection.free || inspection.read.choice !== null ? 0 : 1;
  }
  for await (const line of linesOf(process.stdin)) {
    const text = line.trim();
    if (text !== "") await print(JSON.stringify(document(readLine(text, options))));
  }
  return 0;
}

// A reader that has seen enough (`| head`) closes the pipe: an end, not an error.
process.stdout.on("error", () => process.exit());
process.exitCode = await main();
