/** What holds the network's processes, without the network: no Go is needed here. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createReadStream, existsSync, mkdtempSync, watch } from "node:fs";
import { chmod, mkdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { holdChildren } from "../../sandbox/regtest/children.ts";

const room = mkdtempSync(join(tmpdir(), "regtest-children-"));
const script = (name: string) => fileURLToPath(new URL(`../../sandbox/regtest/${name}`, import.meta.url).href);
afterAll(() => rm(room, { recursive: true, force: true }));

const runs = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

/** Resolves when the folder is gone: the last thing that is done about a network. */
function removed(folder: string): Promise<void> {
  return new Promise((resolve) => {
    const watcher = watch(dirname(folder), () => check());
    const check = () => {
      if (existsSync(folder)) return;
      watcher.close();
      resolve();
    };
    check();
  });
}

test.each(["SIGKILL", "SIGTERM"] as const)("children and their folder do not outlive a parent that is ended by %s", async (signal) => {
  const folder = mkdtempSync(join(room, "held-"));
  // The child holds a named pipe open. It is read to its end when the child has ended, also where nobody collects the child's exit code.
  const pipe = join(room, `pipe-${signal}`);
  execFileSync("mkfifo", [pipe]);
  const program = join(room, `parent-${signal}.ts`);
  await writeFile(
    program,
    `import { holdChildren } from ${JSON.stringify(script("children.ts"))};
     holdChildren(${JSON.stringify(folder)}).start("sleeper", "sh", ["-c", 'exec > "$0"; echo up; exec sleep 600', ${JSON.stringify(pipe)}]);`,
  );
  const parent = spawn(process.execPath, [program], { stdio: ["ignore", "ignore", "inherit"] });
  const held = createReadStream(pipe);
  await once(held, "data");
  const ended = once(held, "close");
  const gone = removed(folder);
  parent.kill(signal);
  await Promise.all([ended, gone]);
  expect(held.readableEnded).toBe(true);
  expect(existsSync(folder)).toBe(false);
});

test("close ends every child and removes the folder, and can be called twice", async () => {
  const folder = mkdtempSync(join(room, "held-"));
  const children = holdChildren(folder);
  const pids = ["a", "b"].map((name) => children.start(name, "sleep", ["600"]).pid);
  expect(pids.map(runs)).toEqual([true, true]);
  await children.close();
  expect(pids.map(runs)).toEqual([false, false]);
  expect(existsSync(folder)).toBe(false);
  await children.close();
});

test("a program that ends is reported at once, by name, with the end of its log", async () => {
  const children = holdChildren(mkdtempSync(join(room, "held-")));
  const child = children.start("broken", "sh", ["-c", "echo first; echo no such option; exit 3"]);
  await expect(child.until("port", () => Promise.resolve(false))).rejects.toThrow(
    "broken ended with exit code 3; its log ends:\nfirst\nno such option",
  );
  await children.close();
});

test("a program that is not there is reported too", async () => {
  const children = holdChildren(mkdtempSync(join(room, "held-")));
  await expect(children.start("nobody", join(room, "nobody"), []).until("port", () => Promise.resolve(false))).rejects.toThrow(
    /^nobody ended with exit code 127; its log ends:[^]*not found/u,
  );
  await children.close();
});

/** Runs one of our commands with nothing on PATH but what is in `bin`. */
async function run(name: string, bin: string): Promise<{ code: number; out: string; err: string }> {
  const child = spawn(process.execPath, [script(name)], { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, PATH: bin } });
  const [out, err] = [child.stdout, child.stderr].map(async (stream) => Buffer.concat(await stream.toArray()).toString());
  const [code] = (await once(child, "exit")) as [number];
  return { code, out: (await out) ?? "", err: (await err) ?? "" };
}

test.each([
  ["build.ts", 1],
  ["main.ts", 3],
])("%s says in one line that Go is missing", async (name, code) => {
  expect(await run(name, join(room, "empty"))).toEqual({
    code,
    out: "",
    err: expect.stringMatching(/^regtest: .*no "go" was found on PATH\n$/u) as string,
  });
});

test("a Go that is too old is named in one line", async () => {
  const bin = join(room, "old");
  await mkdir(bin);
  await writeFile(join(bin, "go"), "#!/bin/sh\necho go version go1.9.7 linux/amd64\n");
  await chmod(join(bin, "go"), 0o755);
  expect(await run("build.ts", bin)).toEqual({
    code: 1,
    out: "",
    err: expect.stringMatching(/^regtest: .*this machine has 1\.9\.7\n$/u) as string,
  });
});
