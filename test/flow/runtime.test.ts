/** The local runtime itself: what every other test from outside takes for granted. */
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:http";
import { mkdtempSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Api } from "../../ops/api.ts";
import { ONE_SCRIPT, startWorkerd, TWO_SCRIPTS, type RunningWorkerd } from "../../sandbox/runtime/workerd.ts";

const wrangler = join(import.meta.dirname, "counter-worker/wrangler.toml");
const vars = { GREETING: 'grüße "quoted" \\ \n' };
let dir = "";
let running: RunningWorkerd[] = [];

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), "lightning-worker-"));
});

afterEach(async () => {
  await Promise.all(running.map((worker) => worker.close()));
  running = [];
  rmSync(dir, { recursive: true });
});

async function start(port = 0): Promise<RunningWorkerd> {
  const worker = await startWorkerd({ dir, wrangler, vars, port });
  running.push(worker);
  return worker;
}

test("a Worker answers with its bindings as written, and its log is kept", async () => {
  const worker = await start();
  expect(await (await fetch(worker.url)).json()).toEqual({ greeting: vars.GREETING, count: 1 });
  expect(worker.stderr()).toContain("counted");
});

test("what a Durable Object stored survives SIGKILL of exactly the process we are told of", async () => {
  const first = await start();
  await fetch(first.url);
  process.kill(first.pid, "SIGKILL");
  expect(await first.exited).toBe("SIGKILL");
  const second = await start();
  expect(await (await fetch(second.url)).json()).toMatchObject({ count: 2 });
});

test("one script or two: the same folder is the same system, wallets and all", async () => {
  const secret = randomBytes(32).toString("base64url");
  const own = {
    WALLET_KEK_V1: randomBytes(32).toString("base64"),
    LIGHTNING_OPERATOR_KEY_SHA256: createHash("sha256").update(secret).digest("hex"),
    LIGHTNING_NETWORK: "regtest",
  };
  const key = `lwo.main.root.${secret}`;
  const system = async (scripts: readonly string[]): Promise<Api> => {
    await Promise.all(running.splice(0).map((worker) => worker.close()));
    const worker = await startWorkerd({ dir, vars: own, wrangler: scripts });
    running.push(worker);
    return new Api(worker.url);
  };
  const together = await system(ONE_SCRIPT);
  const { walletId } = await together.expect("POST", "/v1/wallets", { key, body: { preset: "starter", allow: ["seller.example:443"] } });
  const before = await together.expect("GET", `/v1/wallets/${String(walletId)}/budgets`, { key });
  const apart = await system(TWO_SCRIPTS);
  expect(await apart.expect("GET", `/v1/wallets/${String(walletId)}`, { key })).toMatchObject({ walletId });
  expect(await apart.expect("GET", `/v1/wallets/${String(walletId)}/budgets`, { key })).toEqual(before);
});

test("a port in use is one clear error", async () => {
  const { port } = new URL((await start()).url);
  const error = await startWorkerd({ dir: join(dir, "other"), wrangler, vars, port: Number(port) }).catch((cause: unknown) => cause);
  expect(error).toMatchObject({ name: "WorkerdError", code: "port_in_use", message: `Port ${port} is in use.` });
});

test("the Worker reaches a server on this machine", async () => {
  const server = createServer((_, response) => response.end("from loopback"));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const worker = await start();
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  expect(await (await fetch(`${worker.url}/?url=${encodeURIComponent(target)}`)).text()).toBe("from loopback");
  server.close();
});

test("workerd ends when its parent is killed without a chance to clean up", async () => {
  const runtime = join(import.meta.dirname, "../../sandbox/runtime/workerd.ts");
  const program = `const { startWorkerd } = await import(${JSON.stringify(runtime)});
    const worker = await startWorkerd(${JSON.stringify({ dir, wrangler, vars })});
    process.stdout.write(worker.url);`;
  const parent = spawn(process.execPath, ["--input-type=module", "-e", program], { stdio: ["ignore", "pipe", "inherit"] });
  const [url] = (await once(parent.stdout, "data")) as [Buffer];
  expect((await fetch(url.toString())).status).toBe(200);
  // An open connection ends with the process that holds it: no polling for a pid that may be reused.
  const ended = fetch(`${url.toString()}/?url=${encodeURIComponent(await hanging())}`).then(
    (response) => response.text(),
    () => "connection lost",
  );
  parent.kill("SIGKILL");
  expect(await ended).toBe("connection lost");
});

/** URL of a server that accepts and never answers. */
async function hanging(): Promise<string> {
  const server = createServer(() => undefined);
  server.listen(0, "127.0.0.1").unref();
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}
