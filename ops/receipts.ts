/**
 * `npm run receipts -- verify FILE|-`: checks an export (JSON lines) of a wallet's receipts, every id and the whole chain (invariant 14).
 * `npm run receipts -- export --csv`: the same receipts for a spreadsheet. Both stream, so a long history takes time, not memory.
 * Exit code: 0 right, 1 a fault in the receipts or no receipts at all, 2 usage, unreadable file, unreachable Worker.
 */
import { createReadStream } from "node:fs";
import { once } from "node:events";
import { GENESIS, type Receipt } from "../lightning/receipt.ts";
import { ChainCheck, idOf, isChainValue, readRecord } from "../lightning/receipt-check.ts";
import { CSV_COLUMNS, csvHeader, csvRow } from "../lightning/receipt-csv.ts";
import { readFlags } from "./arguments.ts";
import { linesOf } from "./lines.ts";
import { readSystem } from "./local-state.ts";
import { oneLine } from "./output.ts";

const USAGE = `usage: receipts verify FILE|- [--start CHAIN] [--json]
       receipts export --csv FILE|-
       receipts export --csv [--url URL] [--key KEY] [--wallet ID] [--state FOLDER]
       receipts columns`;
const KINDS = {
  start: "string",
  json: "boolean",
  csv: "boolean",
  url: "string",
  key: "string",
  wallet: "string",
  state: "string",
} as const;
const DEFAULT_STATE = ".lightning-worker";
const ENOUGH = 65_536;

/** What ends a command early: one line for people. */
class Stop extends Error {
  readonly exitCode: 1 | 2;

  constructor(exitCode: 1 | 2, line: string) {
    super(line);
    this.exitCode = exitCode;
  }
}

type Given = Extract<ReturnType<typeof readFlags<typeof KINDS>>, { ok: true }>["flags"] & { readonly file: string | null };

// A reader that has seen enough (`| head`) closes the pipe: an end, not an error.
process.stdout.on("error", () => process.exit());
process.exitCode = await main(process.argv.slice(2)).catch((cause: unknown) => {
  process.stderr.write(`${oneLine(cause)}\n`);
  return cause instanceof Stop ? cause.exitCode : 2;
});

async function main(argv: readonly string[]): Promise<number> {
  const [command = "", ...rest] = argv;
  switch (command) {
    case "verify":
      return verify(read(rest, ["start", "json"]));
    case "export":
      return exportCsv(read(rest, ["csv", "url", "key", "wallet", "state"]));
    case "columns":
      for (const [name, meaning] of CSV_COLUMNS) process.stdout.write(`${name.padEnd(16)} ${meaning}\n`);
      return 0;
    default:
      throw new Stop(2, USAGE);
  }
}

/** One file at most, and the flags this command knows. */
function read(argv: readonly string[], known: readonly (keyof typeof KINDS)[]): Given {
  const isFlag = (text: string): boolean => text.startsWith("--");
  const takesValue = (text: string | undefined): boolean =>
    text !== undefined && isFlag(text) && !text.includes("=") && KINDS[text.slice(2) as keyof typeof KINDS] === "string";
  const files = argv.filter((text, index) => !isFlag(text) && !takesValue(argv[index - 1]));
  const parsed = readFlags(
    argv.filter((text, index) => isFlag(text) || takesValue(argv[index - 1])),
    Object.fromEntries(known.map((name) => [name, KINDS[name]])),
  );
  if (!parsed.ok) throw new Stop(2, parsed.line);
  if (files.length > 1) throw new Stop(2, `One file at a time.\n${USAGE}`);
  return { start: null, json: false, csv: false, url: null, key: null, wallet: null, state: null, ...parsed.flags, file: files[0] ?? null };
}

async function verify({ file, start, json }: Given): Promise<number> {
  if (file === null) throw new Stop(2, USAGE);
  if (start !== null && !isChainValue(start)) throw new Stop(2, "--start is the chain value before the first line: 64 hex digits.");
  const check = new ChainCheck(start ?? GENESIS);
  let number = 0;
  const fail = (kind: string, why: string): number => {
    process.stdout.write(json ? `${JSON.stringify({ ok: false, line: number, fault: kind, why })}\n` : `line ${number}: ${why}\n`);
    return 1;
  };
  for await (const line of linesOf(open(file))) {
    number += 1;
    if (line.trim() === "") continue;
    const parsed = readRecord(line.trim());
    if (!parsed.ok) return fail("line", parsed.why);
    const fault = check.next(parsed.record);
    if (fault !== null) return fail(fault.kind, fault.why);
  }
  const { count, first, last, walletId, chain } = check.result;
  // An export that failed before its first byte must not pass for a checked one.
  if (count === 0) return fail("line", "there are no receipts here, so nothing was checked");
  process.stdout.write(
    json
      ? `${JSON.stringify({ ok: true, count, first, last, walletId, chain })}\n`
      : `ok: ${count} receipts of ${walletId ?? ""}, numbers ${first ?? 0} to ${last ?? 0}\nchain ${chain}\n`,
  );
  return 0;
}

async function exportCsv(given: Given): Promise<number> {
  if (!given.csv) throw new Stop(2, `--csv is the one format there is.\n${USAGE}`);
  const remote = given.url !== null || given.key !== null || given.wallet !== null || given.state !== null;
  if (given.file !== null && remote) throw new Stop(2, "Either a file or a Worker: not both.");
  let text = csvHeader();
  let number = 0;
  let previous: Receipt | null = null;
  for await (const line of linesOf(given.file === null ? await fetchReceipts(given) : open(given.file))) {
    number += 1;
    if (line.trim() === "") continue;
    const parsed = readRecord(line.trim());
    const why = !parsed.ok
      ? parsed.why
      : idOf(parsed.record.receipt) === parsed.record.receiptId
        ? null
        : "the facts do not hash to this id";
    // What was written so far stays on standard output: who reads it looks at the exit code, as with any filter.
    if (!parsed.ok || why !== null) {
      await write(text);
      throw new Stop(1, `line ${number}: ${why ?? ""}`);
    }
    text += csvRow(parsed.record, previous);
    previous = parsed.record.receipt;
    if (text.length > ENOUGH) {
      await write(text);
      text = "";
    }
  }
  await write(text);
  return 0;
}

async function write(text: string): Promise<void> {
  if (text !== "" && !process.stdout.write(text)) await once(process.stdout, "drain");
}

/** @throws Stop when it cannot be read, while reading */
async function* open(file: string): AsyncGenerator<Uint8Array> {
  try {
    yield* file === "-" ? process.stdin : createReadStream(file);
  } catch (cause) {
    throw new Stop(2, `${file} cannot be read (${cause instanceof Error && "code" in cause ? String(cause.code) : "error"}).`);
  }
}

/** From the address and key given, else from the system that runs on this machine. An agent's key shows its own budget's receipts. */
async function fetchReceipts({ url, key, wallet, state }: Given): Promise<AsyncIterable<Uint8Array>> {
  const system = url === null || key === null ? readSystem(state ?? DEFAULT_STATE) : null;
  const base = url ?? system?.url;
  // A key on the command line shows in the list of processes; the environment does not.
  const secret = key ?? process.env["LIGHTNING_KEY"] ?? (url === null ? system?.operatorKey : undefined);
  if (base === undefined) throw new Stop(2, `No system runs on ${state ?? DEFAULT_STATE}: start one, or give --url and --key.`);
  if (secret === undefined) throw new Stop(2, "A key is needed: --key KEY, or LIGHTNING_KEY in the environment.");
  if (!URL.canParse(base)) throw new Stop(2, "--url is an absolute URL.");
  const get = async (path: string): Promise<Response> => {
    const response = await fetch(new URL(path, base), { headers: { authorization: `Bearer ${secret}` } }).catch(() => null);
    if (response === null) throw new Stop(2, `${base} cannot be reached.`);
    if (!response.ok)
      throw new Stop(
        2,
        `${path} answered ${response.status} ${String(((await response.json().catch(() => ({}))) as { readonly code?: unknown }).code ?? "")}`.trim(),
      );
    return response;
  };
  const path = secret.startsWith("lwk.") ? "/v1/receipts" : `/v1/wallets/${wallet ?? (await onlyWallet(get))}/receipts`;
  const { body } = await get(`${path}?format=jsonl`);
  return cutIsAFault(body as AsyncIterable<Uint8Array> | null);
}

async function onlyWallet(get: (path: string) => Promise<Response>): Promise<string> {
  const { wallets } = (await (await get("/v1/wallets")).json()) as {
    readonly wallets: readonly { readonly walletId: string; readonly label: string }[];
  };
  const [first] = wallets;
  if (first !== undefined && wallets.length === 1) return first.walletId;
  throw new Stop(
    2,
    first === undefined ? "There is no wallet." : `Which wallet? --wallet ${wallets.map(({ walletId }) => walletId).join(" | ")}`,
  );
}

async function* cutIsAFault(body: AsyncIterable<Uint8Array> | null): AsyncGenerator<Uint8Array> {
  try {
    if (body !== null) yield* body;
  } catch {
    throw new Stop(1, "The answer was cut off: this is not the whole of it.");
  }
}
