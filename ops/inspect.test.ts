import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { mintBolt11, type InvoicePlan } from "../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../sandbox/mint-macaroon.ts";

// Every test starts a process, on a machine that may have others to run.
vi.setConfig({ testTimeout: 30_000 });

const LAUNCH = fileURLToPath(new URL("./launch.mjs", import.meta.url).href);
const hash = "ab".repeat(32);
const ISO = "2023-11-14T22:13:20.000Z";
const SECONDS = Date.parse(ISO) / 1000;

const invoice = (change: Partial<InvoicePlan> = {}): string =>
  mintBolt11({
    network: "regtest",
    amountMsat: 10_500,
    paymentHash: hash,
    paymentSecret: new Uint8Array(32),
    description: "a \u001b[31mjoke",
    timestamp: SECONDS,
    expirySeconds: 600,
    nodeSecretKey: new Uint8Array(32).fill(1),
    sign: false,
    ...change,
  });
const token = mintMacaroon({
  rootKey: new Uint8Array(32),
  paymentHash: hash,
  tokenId: "01".repeat(32),
  caveats: [
    { condition: "services", value: "joke:0" },
    { condition: "joke_valid_until", value: String(SECONDS + 7200) },
  ],
});
const l402 = (bolt11: string, scheme = "L402"): string => `${scheme} macaroon="${token}", invoice="${bolt11}"`;

interface Run {
  readonly code: number | null;
  readonly out: string;
  readonly err: string;
}

async function inspect(args: readonly string[], input: string | readonly Buffer[] = ""): Promise<Run> {
  const child = spawn(process.execPath, [LAUNCH, "ops/inspect.ts", ...args], { stdio: ["pipe", "pipe", "pipe"] });
  let out = "";
  let err = "";
  child.stdout.setEncoding("utf8").on("data", (text: string) => (out += text));
  child.stderr.setEncoding("utf8").on("data", (text: string) => (err += text));
  child.stdin.on("error", () => undefined); // a usage error ends it before it reads
  for (const piece of typeof input === "string" ? [input] : input) child.stdin.write(piece);
  child.stdin.end();
  const [code] = (await once(child, "close")) as [number | null];
  return { code, out, err };
}

const documents = (out: string): Record<string, unknown>[] =>
  out
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

describe("inspect --json on standard input", () => {
  const at = ["--json", "--now", ISO, "--network", "regtest"];

  it("answers each line with one document, and goes on after a bad one", async () => {
    const lines = [
      JSON.stringify(`${l402(invoice(), "LSAT")}, ${l402(invoice())}, Payment id="x"`),
      "",
      "not json",
      JSON.stringify([l402(invoice(), "LSAT"), 'Payment id="x"']),
      "42",
      JSON.stringify(["a", 1]),
      "null",
      JSON.stringify(l402(invoice({ network: "mainnet" }))),
      JSON.stringify(l402(invoice({ timestamp: SECONDS - 600 }))),
    ];
    const { code, out, err } = await inspect(at, lines.join("\n"));
    expect({ code, err }).toEqual({ code: 0, err: "" });
    const found = documents(out);
    const offer = {
      scheme: "L402",
      token,
      invoice: invoice(),
      amountMsat: 10_500,
      paymentHash: hash,
      network: "regtest",
      expiresAt: "2023-11-14T22:23:20.000Z",
      caveats: [
        { condition: "services", value: "joke:0" },
        { condition: "joke_valid_until", value: String(SECONDS + 7200) },
      ],
      validUntil: "2023-11-15T00:13:20.000Z",
      binding: "verified",
    };
    expect(found[0]).toEqual({ offers: [{ ...offer, scheme: "LSAT" }, offer], others: ["Payment"], choice: offer, error: null });
    expect(found[2]).toEqual({
      offers: [{ ...offer, scheme: "LSAT" }],
      others: ["Payment"],
      choice: { ...offer, scheme: "LSAT" },
      error: null,
    });
    expect(found.map((each) => (each["error"] as { code: string } | null)?.code ?? null)).toEqual([
      null,
      "invalid_request",
      null,
      "invalid_request",
      "invalid_request",
      "challenge_missing",
      "invoice_network_mismatch",
      "invoice_expired",
    ]);
  });

  it("answers a line before the next one comes", async () => {
    const child = spawn(process.execPath, [LAUNCH, "ops/inspect.ts", "--json"], { stdio: ["pipe", "pipe", "inherit"] });
    child.stdout.setEncoding("utf8");
    child.stdin.write(`"Basic"\n`);
    const [first] = (await once(child.stdout, "data")) as [string];
    expect(documents(first)).toMatchObject([{ others: ["Basic"], error: { code: "challenge_unsupported" } }]);
    child.stdin.end();
    await once(child, "close");
  });

  it("reads lines over 64 KiB, lines cut into pieces anywhere, and line separators within a string", async () => {
    const text = Buffer.from(`${JSON.stringify(`X a="${"ä".repeat(70_000)}"`)}\r\n"X a=\u2028"\n"X a=\\"é\\", L402"`);
    const odd = text.indexOf(Buffer.from("é")) + 1; // within a character
    const { code, out } = await inspect(at, [text.subarray(0, 40_001), text.subarray(40_001, odd), text.subarray(odd)]);
    expect(code).toBe(0);
    expect(documents(out)).toMatchObject([
      { error: { code: "challenge_too_large" } },
      { error: { code: "challenge_malformed" } },
      { others: ["X"], error: { code: "challenge_malformed" } },
    ]);
  });

  it("says nothing for no input", async () => {
    expect(await inspect(["--json"], "\n \n")).toEqual({ code: 0, out: "", err: "" });
  });
});

describe("inspect, wrongly called", () => {
  it.each([
    ["nothing", []],
    ["an unknown flag", ["--json", "--pay"]],
    ["an unknown network", ["--json", "--network", "litecoin"]],
    ["an instant that is none", ["--json", "--now", "yesterday"]],
    ["an instant without a zone", ["--json", "--now", "2026-01-01T00:00:00"]],
    ["an impossible instant", ["--json", "--now=2026-13-01T00:00:00Z"]],
    ["a missing value", ["--json", "--now"]],
    ["two URLs", ["https://a.example", "https://b.example"]],
    ["a URL that is none", ["joke"]],
    ["a URL of another scheme", ["file:///etc/passwd"]],
    ["a URL with user info", ["https://me:secret@a.example/"]],
  ])("%s: one line on standard error, exit 2", async (_, args) => {
    const { code, out, err } = await inspect(args);
    expect({ code, out }).toEqual({ code: 2, out: "" });
    expect(err).toMatch(/^[^\n]+\n$/u);
    expect(err).not.toContain("secret");
  });
});

describe("inspect URL", () => {
  const answers: Readonly<Record<string, (response: ServerResponse) => void>> = {
    "/paid": (response) =>
      response.writeHead(402, { "www-authenticate": [l402(invoice(), "LSAT"), l402(invoice()), 'Payment id="x"'] }).end("payment required"),
    "/large": (response) => response.writeHead(402, { "www-authenticate": `X a="${"b".repeat(40_000)}", ${l402(invoice())}` }).end(),
    "/bare": (response) => response.writeHead(402).end(),
    "/free": (response) => response.writeHead(200).end("here you are"),
    "/moved": (response) => response.writeHead(302, { location: "/paid" }).end(),
    "/gone": (response) => response.writeHead(404).end(),
  };
  const seen: string[] = [];
  let server: Server;
  let origin: string;
  beforeAll(async () => {
    server = createServer((request, response) => {
      seen.push(`${request.method} ${request.url}`);
      answers[request.url?.split("?")[0] ?? ""]?.(response);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(async () => {
    server.close();
    await once(server, "close");
  });

  it("invariant 9: shows people what is asked, without token, invoice or query", async () => {
    const { code, out, err } = await inspect([`${origin}/paid?key=k3y`, "--now", ISO, "--network", "regtest"]);
    expect({ code, err }).toEqual({ code: 0, err: "" });
    expect(out).toBe(
      [
        `GET ${origin}/paid`,
        "  status        402 Payment Required",
        "  offer 1       LSAT and L402, 10.5 sat",
        "    network       regtest",
        "    invoice until 2023-11-14T22:23:20.000Z (in 10 min)",
        "    token until   2023-11-15T00:13:20.000Z (in 2 h)",
        "    services      joke:0",
        `    payment hash  ${hash}`,
        "    binding       verified: the token is bound to this payment",
        "    description   a ·[31mjoke",
        "  others        Payment (not paid by us)",
        "  would pay     10.5 sat under L402, fee and policy aside",
        "",
      ].join("\n"),
    );
    expect(seen).toContain("GET /paid?key=k3y");
  });

  it("prints one document with --json", async () => {
    const { code, out } = await inspect(["--json", `${origin}/paid`, "--now", ISO]);
    expect(code).toBe(0);
    expect(documents(out)).toMatchObject([
      { status: 402, offers: [{}, {}], others: ["Payment"], choice: { scheme: "L402", amountMsat: 10_500 }, error: null },
    ]);
  });

  it("reads a challenge beyond Node's own limit for headers", async () => {
    expect((await inspect([`${origin}/large`, "--now", ISO])).code).toBe(0);
  });

  it.each([
    ["/free", 0, "free: nothing is asked for"],
    ["/bare", 1, "challenge_missing"],
    ["/moved", 1, "redirect_refused"],
    ["/gone", 1, "challenge_missing: the seller answered 404, which asks for no payment"],
    ["/paid", 1, "invoice_expired"],
  ])("%s exits with %i and says %s", async (path, expected, words) => {
    const before = seen.length;
    const { code, out, err } = await inspect([`${origin}${path}`]);
    expect({ code, err }).toEqual({ code: expected, err: "" });
    expect(out).toContain(words);
    expect(seen.length).toBe(before + 1);
  });

  it("says so when nobody answers", async () => {
    const gone = createServer();
    gone.listen(0, "127.0.0.1");
    await once(gone, "listening");
    const { port } = gone.address() as AddressInfo;
    gone.close();
    await once(gone, "close");
    const { code, out } = await inspect([`http://127.0.0.1:${port}/`]);
    expect(code).toBe(1);
    expect(out).toContain("seller_unreachable: ECONNREFUSED");
  });
});
