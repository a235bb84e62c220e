import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { receiptChain } from "../control-plane/contract.ts";
import { CSV_COLUMNS } from "../lightning/receipt-csv.ts";

const WALLET = "w_0123456789abcdef";
const records = receiptChain("main", WALLET, 5);
const lines = records.map((record) => JSON.stringify(record));
const all = `${lines.join("\n")}\n`;
let dir = "";

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), "receipts-"));
});
afterAll(() => rmSync(dir, { recursive: true }));

function file(text: string): string {
  const path = join(dir, `${Math.random()}.jsonl`);
  writeFileSync(path, text);
  return path;
}

interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(argv: readonly string[], stdin = "", env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  const child = spawn(process.execPath, [join(import.meta.dirname, "launch.mjs"), "ops/receipts.ts", ...argv], {
    cwd: dir,
    stdio: "pipe",
    env: { ...process.env, ...env },
  });
  const texts = { stdout: "", stderr: "" };
  child.stdout.on("data", (chunk: Buffer) => (texts.stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (texts.stderr += chunk.toString()));
  // A command that has its answer does not read on.
  child.stdin.on("error", () => undefined);
  child.stdin.end(stdin);
  const [code] = (await once(child, "close")) as [number | null];
  return { code, ...texts };
}

describe("receipts verify", () => {
  test("a whole export is right: how many, which numbers, and the chain value to go on from", async () => {
    expect(await run(["verify", file(all)])).toEqual({
      code: 0,
      stderr: "",
      stdout: `ok: 5 receipts of ${WALLET}, numbers 1 to 5\nchain ${records[4]?.chain}\n`,
    });
  });

  test("reads standard input, and a last line without an end", async () => {
    expect((await run(["verify", "-"], all.trimEnd())).code).toBe(0);
  });

  test("a part is right from its start", async () => {
    const part = file(`${lines.slice(2).join("\n")}\n`);
    expect((await run(["verify", part, "--start", records[1]?.chain ?? ""])).code).toBe(0);
    expect(await run(["verify", part])).toMatchObject({ code: 1, stdout: expect.stringMatching(/^line 1: receipts 1 to 2 are missing/u) });
  });

  test("--json prints one document", async () => {
    const { stdout } = await run(["verify", "-", "--json"], all);
    expect(JSON.parse(stdout)).toEqual({ ok: true, count: 5, first: 1, last: 5, walletId: WALLET, chain: records[4]?.chain });
    expect(JSON.parse((await run(["verify", "-", "--json"], `${lines[0]}\n{`)).stdout)).toMatchObject({
      ok: false,
      line: 2,
      fault: "line",
    });
  });

  test.each([
    ["a changed fact", lines.with(2, lines[2]?.replace("/prices", "/price") ?? ""), /^line 3: the facts do not hash to this id/u],
    [
      "a changed chain value",
      lines.with(2, lines[2]?.replace(/"chain":"[0-9a-f]{64}"/u, `"chain":"${"0".repeat(64)}"`) ?? ""),
      /^line 3: this chain value does not continue/u,
    ],
    ["a missing line", lines.toSpliced(2, 1), /^line 3: receipt 3 is missing/u],
    ["a line twice", lines.toSpliced(2, 0, lines[1] ?? ""), /^line 3: receipt 2 stands after receipt 2/u],
    ["a cut line", [...lines.slice(0, 4), lines[4]?.slice(0, 90) ?? ""], /^line 5: this is not JSON/u],
    ["no line at all", [], /no receipts here/u],
    [
      "an error answer",
      ['{"title":"No valid key was presented","status":401,"code":"unauthorized"}'],
      /^line 1: this is an error answer \(unauthorized\)/u,
    ],
  ])("%s is said by line and reason, with exit code 1", async (_what, changed, expected) => {
    const ended = await run(["verify", file(changed.join("\n"))]);
    expect(ended).toMatchObject({ code: 1, stderr: "" });
    expect(ended.stdout).toMatch(expected);
  });

  test.each([
    [[]],
    [["verify"]],
    [["verify", "a", "b"]],
    [["verify", "no-such-file"]],
    [["verify", "-", "--start", "xyz"]],
    [["verify", "-", "--csv"]],
    [["check", "-"]],
    [["export", "-"]],
    [["export", "--csv", "-", "--url", "http://x"]],
  ])("%j is refused with exit code 2", async (argv) => {
    const ended = await run(argv);
    expect(ended).toMatchObject({ code: 2, stdout: "" });
    expect(ended.stderr).not.toMatch(/\n\s+at /u);
  });

  test("100,000 receipts take seconds", async () => {
    const many = file(
      receiptChain("main", WALLET, 100_000)
        .map((record) => `${JSON.stringify(record)}\n`)
        .join(""),
    );
    const began = performance.now();
    expect((await run(["verify", many])).stdout).toMatch(/^ok: 100000 receipts/u);
    expect(performance.now() - began).toBeLessThan(30_000);
  }, 60_000);
});

describe("receipts export --csv", () => {
  let server: Server;
  let url = "";
  const asked: string[] = [];

  beforeAll(async () => {
    server = createServer((request, response) => {
      asked.push(`${request.url} ${request.headers.authorization}`);
      if (request.url === "/v1/wallets") response.end(JSON.stringify({ wallets: [{ walletId: WALLET, label: "" }] }));
      else if (request.url?.startsWith("/v1/wallets/w_cut") === true) {
        response.writeHead(200, { "content-length": "100000" });
        response.write(`${lines[0]}\n`, () => response.destroy());
      } else if (request.url?.includes("/receipts") === true && request.headers.authorization !== "Bearer bad") response.end(all);
      else response.writeHead(401).end(JSON.stringify({ code: "unauthorized" }));
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => server.close());

  test("a file becomes a header and a row for each receipt, with CRLF", async () => {
    const { code, stdout } = await run(["export", "--csv", file(all)]);
    const rows = stdout.split("\r\n");
    expect([code, rows.length, rows.at(-1)]).toEqual([0, 7, ""]);
    expect(rows[0]).toBe(CSV_COLUMNS.map(([name]) => name).join(","));
    expect(rows[1]).toMatch(/^1,2026-11-22T05:00:00\.000Z,denied,amount_over_cap,w_0123456789abcdef,main,research,/u);
  });

  test("an operator's key exports the only wallet, or the named one; an agent's its own receipts", async () => {
    asked.length = 0;
    expect((await run(["export", "--csv", "--url", url, "--key", "lwo.main.root.x"])).stdout.split("\r\n")).toHaveLength(7);
    expect((await run(["export", "--csv", "--url", url, "--wallet", "w_other"], "", { LIGHTNING_KEY: "lwo.main.root.y" })).code).toBe(0);
    expect((await run(["export", "--csv", "--url", url, "--key", "lwk.main.w.k.z"])).code).toBe(0);
    expect(asked).toEqual([
      "/v1/wallets Bearer lwo.main.root.x",
      `/v1/wallets/${WALLET}/receipts?format=jsonl Bearer lwo.main.root.x`,
      "/v1/wallets/w_other/receipts?format=jsonl Bearer lwo.main.root.y",
      "/v1/receipts?format=jsonl Bearer lwk.main.w.k.z",
    ]);
  });

  test("a wrong key, a Worker out of reach and a missing key are exit code 2; the key is in no message", async () => {
    const wrong = await run(["export", "--csv", "--url", url, "--key", "bad"]);
    expect([wrong.code, wrong.stdout]).toEqual([2, ""]);
    expect(wrong.stderr).toMatch(/answered 401 unauthorized/u);
    expect(await run(["export", "--csv", "--url", "http://127.0.0.1:1", "--key", "s3cret"])).toEqual({
      code: 2,
      stdout: "",
      stderr: "http://127.0.0.1:1 cannot be reached.\n",
    });
    expect((await run(["export", "--csv", "--url", url])).code).toBe(2);
    expect((await run(["export", "--csv"])).stderr).toMatch(/No system runs on/u);
  });

  test("an answer that is cut off, or a receipt that was changed, is exit code 1", async () => {
    expect(await run(["export", "--csv", "--url", url, "--key", "lwo.x", "--wallet", "w_cut"])).toMatchObject({
      code: 1,
      stderr: "The answer was cut off: this is not the whole of it.\n",
    });
    expect(await run(["export", "--csv", "-"], all.replace("/prices", "/p"))).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^line 1: the facts do not hash/u),
    });
  });

  test("columns are listed with their meaning", async () => {
    expect((await run(["columns"])).stdout.trim().split("\n")).toHaveLength(CSV_COLUMNS.length);
  });
});
