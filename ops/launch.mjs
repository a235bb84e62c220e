/**
 * Every command starts here, in plain JavaScript that any Node runs: the rest is TypeScript, which only Node 24 runs as it is. `npm run`
 * finds Node 24 in node_modules/.bin by itself; a shell may not, and before `npm ci` nobody does. Then: one clear line, not a stack.
 */
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const WANTED = 24;
const root = fileURLToPath(new URL("..", import.meta.url));
const [script, ...rest] = process.argv.slice(2);

function fail(line) {
  console.error(line);
  process.exit(2);
}

if (script === undefined) fail("usage: node ops/launch.mjs <script.ts> [arguments]");
const bundledNode = resolve(root, "node_modules/node/bin/node");
if (Number(process.versions.node.split(".")[0]) >= WANTED) {
  if (!existsSync(resolve(root, "node_modules/hono"))) fail("Dependencies are missing: run `npm ci` first.");
  if (!existsSync(resolve(root, script))) fail(`There is no ${script} in this checkout.`);
  process.argv.splice(1, 2, resolve(root, script));
  // `npm start | head`: whoever read us has seen enough. 141 is what a shell gives for SIGPIPE.
  process.stdout.on("error", (cause) => process.exit(cause.code === "EPIPE" ? 141 : 1));
  await import(pathToFileURL(resolve(root, script)).href).catch((cause) => {
    if (cause?.code === "ERR_MODULE_NOT_FOUND" && /Cannot find package/u.test(cause.message))
      fail(`A dependency is missing (${/'([^']+)'/u.exec(cause.message)?.[1]}): run \`npm ci\` first.`);
    throw cause;
  });
} else if (existsSync(bundledNode)) {
  // The `node` package of our own dependencies; signals reach it as it shares our terminal, and those sent to us alone are passed on.
  const child = spawn(bundledNode, [fileURLToPath(import.meta.url), script, ...rest], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  child.on("exit", (code, signal) => process.exit(code ?? (signal === "SIGINT" ? 130 : 143)));
} else {
  fail(
    existsSync(resolve(root, "node_modules"))
      ? `Node ${WANTED} is needed and this is ${process.versions.node}: run \`npm ci\`, which brings it.`
      : "Dependencies are missing: run `npm ci` first.",
  );
}
