/** The runbook is code as well: it must name what the code can do, and its commands must be commands. */
import { spawnSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { ERRORS } from "../lightning/errors.ts";
import type { Degradation } from "../lightning/payer.ts";
import { schemaFault } from "../test/support/json-schema.ts";
import { listRoutes } from "../worker/app.ts";

const root = join(import.meta.dirname, "..");
const read = (path: string): string => readFileSync(join(root, path), "utf8");
const runbook = read("docs/runbook.md");
const blocks = [...runbook.matchAll(/^```sh\n([\s\S]*?)^```$/gmu)].map(([, code = ""]) => code);
const lines = blocks
  .flatMap((block) => block.split("\n"))
  .map((line) => line.trim())
  .filter((line) => line !== "");
const inline = [...runbook.matchAll(/`((?:op|npm run) [^`]+)`/gu)].map(([, code = ""]) => code);
const operations = [...lines, ...inline].filter((line) => /^op (?:GET|PUT|POST|DELETE)\b/u.test(line));

/** Sources whose log events and pauses an operator may see. */
const sources = ["durable-objects", "durable-objects/wallet", "durable-objects/spark", "worker", "worker/routes"].flatMap((folder) =>
  readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".ts") && !name.endsWith(".test.ts"))
    .map((name) => read(`${folder}/${name}`)),
);
const found = (pattern: RegExp): readonly string[] => [
  ...new Set(sources.flatMap((source) => [...source.matchAll(pattern)].map(([, name = ""]) => name))),
];

describe("the runbook names", () => {
  const forOperators = Object.entries(ERRORS)
    .filter(([, { fix, title }]) => /operator/iu.test(`${fix} ${title}`))
    .map(([code]) => code);

  it("has some codes and events to name", () => {
    expect(forOperators.length).toBeGreaterThan(15);
    expect(found(/\blog\((?:[^"()]*\? )?"([a-z_]+)"/gu).length).toBeGreaterThan(8);
  });

  test.each([
    ...forOperators,
    "late_settlement",
    "never_seen",
    "paid_unfulfilled",
    "credential_refused",
    "payment_unknown",
    "payment_pending",
    "approval_required",
    "insufficient_funds",
    "control_plane_unavailable",
    "backend_unavailable",
  ])("the code %s", (code) => {
    expect(runbook).toContain(`\`${code}\``);
  });

  test.each(["not_synced", "payment_list_stuck", "identity_mismatch", "misconfigured"] satisfies Degradation[])(
    "the degradation %s",
    (word) => {
      expect(runbook).toMatch(new RegExp(`^\\| \`${word}\` \\|`, "mu"));
    },
  );

  test.each(found(/\blog\((?:[^"()]*\? )?"([a-z_]+)"/gu))("the log event %s", (event) => {
    expect(runbook).toMatch(new RegExp(`^\\| \`${event}\` \\|`, "mu"));
  });

  test.each(found(/\.pause\("([a-z_]+)"\)/gu))("why a wallet pauses itself: %s", (because) => {
    expect(runbook).toMatch(new RegExp(`^\\| \`${because}\` \\|`, "mu"));
  });

  it("no log event that is never written", () => {
    const table = runbook.slice(runbook.indexOf("## Log events"));
    const named = [...table.matchAll(/^\| `([a-z_]+)` \|/gmu)].map(([, event = ""]) => event);
    expect(named.toSorted()).toEqual(
      [...new Set([...found(/\blog\((?:[^"()]*\? )?"([a-z_]+)"/gu), ...found(/\blog\([^"()]*\? "[a-z_]+" : "([a-z_]+)"/gu)])].toSorted(),
    );
  });

  it("only places that are there: every link to a heading or a file", () => {
    const anchors = [...runbook.matchAll(/^#+ (.+)$/gmu)].map(([, title = ""]) =>
      title
        .toLowerCase()
        .replaceAll(/[^\p{L}\p{N} _-]/gu, "")
        .replaceAll(" ", "-"),
    );
    for (const [, target = ""] of runbook.matchAll(/\]\(([^)]+)\)/gu)) {
      if (target.startsWith("#")) expect(anchors).toContain(target.slice(1));
      else expect(read(`docs/${target}`).length).toBeGreaterThan(0);
    }
  });
});

describe("its commands", () => {
  test.each(blocks.map((block, index) => [index + 1, block] as const))("block %d parses as shell", (_index, block) => {
    const { status, stderr } = spawnSync("bash", ["-n"], { input: block, encoding: "utf8" });
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  });

  test.each(operations)("%s: a route of this Worker, with a body that it takes", (line) => {
    const [, method = "", path = "", body] = /^op (\w+) "?([^\s"]+)"?(?: '([^']*)')?/u.exec(line) ?? [];
    const [bare = ""] = path.split("?");
    const fits = (route: string): boolean => {
      const [verb, pattern = ""] = route.split(" ");
      return verb === method && new RegExp(`^${pattern.replaceAll(/:\w+/gu, "[^/]+")}$`, "u").test(bare);
    };
    // A literal segment is a better match than a parameter.
    const route =
      listRoutes()
        .filter(fits)
        .toSorted((a, b) => a.split(":").length - b.split(":").length)[0] ?? "";
    expect(route).not.toBe("");
    const document = JSON.parse(read("worker/openapi/openapi.json")) as {
      readonly paths: Readonly<
        Record<
          string,
          Readonly<
            Record<
              string,
              {
                readonly requestBody?: {
                  readonly required: boolean;
                  readonly content: Readonly<Record<string, { readonly schema: unknown }>>;
                };
              }
            >
          >
        >
      >;
    };
    const described = document.paths[(route.split(" ")[1] ?? "").replaceAll(/:(\w+)/gu, "{$1}")]?.[method.toLowerCase()]?.requestBody;
    expect(body !== undefined || described?.required !== true, "a body is needed").toBe(true);
    if (body !== undefined)
      expect(schemaFault(described?.content["application/json"]?.schema, JSON.parse(body), { document, closed: false })).toBeNull();
  });

  test.each([...lines, ...inline].filter((line) => line.startsWith("npm run ")))("%s: a script, with arguments it knows", (line) => {
    const [, script = "", rest = ""] = /^npm run (?:--silent )?(\S+)(?: -- (.*))?$/u.exec(line.replace(/ [#>|].*$/u, "")) ?? [];
    const { scripts } = JSON.parse(read("package.json")) as { readonly scripts: Readonly<Record<string, string>> };
    const command = scripts[script] ?? "";
    expect(command).not.toBe("");
    const source = read(/(\S+\.ts)$/u.exec(command)?.[1] ?? "");
    const usage = source.slice(0, source.indexOf("class "));
    for (const word of rest.split(" ").filter((each) => each !== "" && !/\.(?:jsonl|csv)$/u.test(each))) expect(usage).toContain(word);
  });

  it("whatever goes into a file or another program is run silently: npm writes lines of its own to standard output", () => {
    const printed = [...lines, ...[...read("README.md").matchAll(/`(npm [^`]+)`/gu)].map(([, code = ""]) => code)];
    const kept = printed.map((line) => line.replace(/ #.*$/u, "")).filter((line) => /^npm .*(?:[>|]|--json)/u.test(line));
    expect(kept.length).toBeGreaterThan(2);
    expect(kept.filter((line) => !/^npm (?:run|start) --silent /u.test(line))).toEqual([]);
  });

  it("are there at all", () => {
    expect(operations.length).toBeGreaterThan(40);
  });
});
