/** `npm run sandbox` as a process of its own: it says where it is, stays up, and ends cleanly when told to. */
import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterEach, describe, expect, it } from "vitest";

const children: ChildProcessByStdio<null, Readable, Readable>[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
});

function run(...flags: string[]): ChildProcessByStdio<null, Readable, Readable> {
  const child = spawn(process.execPath, ["sandbox/main.ts", ...flags], { stdio: ["ignore", "pipe", "pipe"] });
  children.push(child);
  return child;
}

describe("npm run sandbox", () => {
  it.each(["SIGTERM", "SIGINT"] as const)("prints its addresses as one JSON line, serves, and exits 0 on %s", async (signal) => {
    const child = run("--json");
    const [line] = (await once(createInterface({ input: child.stdout }), "line")) as [string];
    const told = JSON.parse(line) as Record<string, string>;
    expect(told).toMatchObject({ network: "regtest", pid: child.pid });
    expect((await fetch(`${told["sellerUrl"]}/joke`)).status).toBe(402);
    expect(
      (await fetch(`${told["executorUrl"]}/v1/status`, { headers: { authorization: `Bearer ${told["executorToken"]}` } })).status,
    ).toBe(200);
    const exited = once(child, "exit");
    child.kill(signal);
    expect(await exited).toEqual([0, null]);
  });

  it("says in one line how it is called, or that a port is in use", async () => {
    const bad = run("--port", "x");
    const [usage] = (await once(createInterface({ input: bad.stderr }), "line")) as [string];
    expect(usage).toMatch(/^usage: npm run sandbox/u);
    expect(await once(bad, "exit")).toEqual([2, null]);
    const first = run("--json");
    const [line] = (await once(createInterface({ input: first.stdout }), "line")) as [string];
    const { port } = new URL((JSON.parse(line) as { sellerUrl: string }).sellerUrl);
    const second = run("--port", port);
    const [message] = (await once(createInterface({ input: second.stderr }), "line")) as [string];
    expect(message).toMatch(/is in use; choose another with --port/u);
    expect(await once(second, "exit")).toEqual([1, null]);
  });
});
