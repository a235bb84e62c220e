import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import { parsePolicy } from "../../lightning/policy-check.ts";
import { lookUp, schemaFault, type Checking } from "../../test/support/json-schema.ts";
import { createApp, listRoutes } from "../app.ts";
import { writeLinkToken } from "../approve/link-token.ts";
import { VERSION } from "../config.ts";
import { AGENT_KEY, APPROVER_KEY, ROOT_KEY, fakeDoor } from "../door-fakes.ts";
import { openapi, problemsOf } from "./document.ts";
import { HEADERS, ROUTES, type Described } from "./routes.ts";
import { ANSWERS, BODIES, LINK, OTHERWISE, PARAMETERS, POLICY } from "./samples.ts";

interface Operation {
  readonly operationId: string;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly parameters?: readonly unknown[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: unknown }>> };
  readonly responses: Readonly<
    Record<
      string,
      { readonly $ref?: string; readonly description?: string; readonly content?: Readonly<Record<string, { readonly schema?: unknown }>> }
    >
  >;
}
interface Document {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const written = readFileSync(join(import.meta.dirname, "openapi.json"), "utf8");
const document = JSON.parse(written) as Document;
const app = createApp();
const open: Checking = { document, closed: false };
const closed: Checking = { document, closed: true };

const operations = Object.entries(document.paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({
    route: `${method.toUpperCase()} ${path.replaceAll(/\{(\w+)\}/gu, ":$1")}`,
    operation,
  })),
);
const operationOf = (route: string): Operation => {
  const found = operations.find((each) => each.route === route);
  if (found === undefined) throw new Error(`${route} is not described`);
  return found.operation;
};
const keyFor = ({ who }: Described): string | null => (who === "anybody" ? null : who === "agent" ? AGENT_KEY : ROOT_KEY);

function send(
  described: Described,
  sent: { readonly body?: unknown; readonly key?: string | null; readonly query?: string } = {},
  door = fakeDoor({ ...ANSWERS, ...OTHERWISE[described.route] }),
): Promise<Response> {
  const [method = "", path = ""] = described.route.split(" ");
  const url = path.replaceAll(/:(\w+)/gu, (_all, name: string) => (name === "token" ? writeLinkToken(LINK) : (PARAMETERS[name] ?? "")));
  const key = sent.key === undefined ? keyFor(described) : sent.key;
  const body = sent.body === undefined ? BODIES[described.route] : sent.body;
  const form = described.form === true;
  return Promise.resolve(
    app(
      new Request(`https://worker.example${url}${sent.query ?? ""}`, {
        method,
        headers: {
          ...(key === null ? {} : { authorization: `Bearer ${key}` }),
          ...(form
            ? { "content-type": "application/x-www-form-urlencoded" }
            : body === undefined
              ? {}
              : { "content-type": "application/json" }),
        },
        ...(form ? { body: "decision=approve" } : body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
      door,
    ),
  );
}

describe("the document", () => {
  it("describes every route of the app, and no other", () => {
    expect(operations.map(({ route }) => route).toSorted()).toEqual(listRoutes().toSorted());
  });

  it("is current: else run `npm run generate`", () => {
    expect(document).toEqual(JSON.parse(JSON.stringify(openapi(VERSION))));
    expect(document.openapi).toBe("3.1.0");
  });

  it("names each operation once, and has no reference that leads nowhere and no part that nobody refers to", () => {
    expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
    const refs = new Set([...written.matchAll(/"\$ref": ?"([^"]+)"/gu)].map(([, ref = ""]) => ref));
    for (const ref of refs) expect(lookUp(document, ref), ref).toBeDefined();
    for (const kind of ["schemas", "responses", "parameters", "headers"])
      for (const name of Object.keys(document.components[kind] ?? {}))
        expect(refs, `${kind}/${name}`).toContain(`#/components/${kind}/${name}`);
  });

  it("knows all codes, each with the status that it has, and leaves none out", () => {
    const said = new Set<string>();
    for (const described of ROUTES) {
      const { responses } = operationOf(described.route);
      for (const code of problemsOf(described)) {
        said.add(code);
        const response = responses[String(ERRORS[code].status)];
        if (response?.$ref === undefined) continue;
        expect((lookUp(document, response.$ref) as { readonly description: string }).description.split(", ")).toContain(code);
      }
    }
    // A wrong method is no answer of any one operation.
    expect((Object.keys(ERRORS) as Code[]).filter((code) => !said.has(code))).toEqual(["method_not_allowed"]);
  });

  it("is served as it is written", async () => {
    const served = await app(new Request("https://worker.example/openapi.json"), fakeDoor());
    expect([served.status, served.headers.get("content-type"), await served.json()]).toEqual([200, "application/json", document]);
  });

  it("has words for every steering header", () => {
    expect(Object.keys(document.components["parameters"] ?? {})).toEqual(Object.keys(HEADERS));
  });
});

describe.each(ROUTES.map((described) => [described.route, described] as const))("%s", (route, described) => {
  const operation = operationOf(route);
  const schema = operation.requestBody?.content["application/json"]?.schema;

  test("its sample request fits its schema and is taken; the answer fits the description of its status, to the last field", async () => {
    const sample = BODIES[route];
    expect(schema === undefined).toBe(sample === undefined);
    if (schema !== undefined) expect(schemaFault(schema, sample, open)).toBeNull();
    const response = await send(described);
    expect(response.status, await response.clone().text()).toBeLessThan(300);
    const answer = operation.responses[String(response.status)];
    expect(answer).toBeDefined();
    const type = (response.headers.get("content-type") ?? "").split(";")[0] ?? "";
    const content = answer?.content?.[type] ?? answer?.content?.["*/*"];
    expect(content, `${type} is not described`).toBeDefined();
    if (type === "application/json" && content?.schema !== undefined)
      expect(schemaFault(content.schema, await response.json(), closed)).toBeNull();
  });

  test("who may call it is as described", async () => {
    const who = operation.security.flatMap((each) => Object.keys(each));
    for (const [kind, key] of [
      ["agent", AGENT_KEY],
      ["operator", ROOT_KEY],
      ["approver", APPROVER_KEY],
    ] as const) {
      const response = await send(described, { key });
      expect(response.status === 403, `${kind}: ${response.status}`).toBe(who.length > 0 && !who.includes(kind));
    }
    const response = await send(described, { key: null });
    expect(response.status === 401).toBe(who.length > 0);
    if (who.length === 0) return;
    for (const status of ["401", "403"]) expect(operation.responses).toHaveProperty(status);
    expect(schemaFault({ $ref: "#/components/schemas/Problem" }, await response.json(), closed)).toBeNull();
  });
});

const TAKING = ROUTES.filter(({ body }) => body !== undefined).map((described) => [described.route, described] as const);
const REFUSING = ROUTES.filter(({ problems = [] }) => problems.length > 0).map((described) => [described.route, described] as const);

test.each(TAKING)(
  "%s: schema and door refuse the same: an unknown field, a missing one, a field of another type",
  async (route, described) => {
    const operation = operationOf(route);
    const schema = operation.requestBody?.content["application/json"]?.schema;
    const sample = BODIES[route] ?? {};
    const { required = [], properties = {} } = schema as {
      readonly required?: readonly string[];
      readonly properties?: Readonly<Record<string, unknown>>;
    };
    const wrong: Readonly<Record<string, unknown>>[] = [
      { ...sample, unknownField: 1 },
      ...required.map((name) => Object.fromEntries(Object.entries(sample).filter(([key]) => key !== name))),
    ];
    for (const name of Object.keys(properties)) wrong.push({ ...sample, [name]: null });
    for (const body of wrong) {
      const text = JSON.stringify(body);
      expect(schemaFault(schema, body, open), text).not.toBeNull();
      const response = await send(described, { body });
      expect([response.status, ((await response.json()) as { readonly code: string }).code], text).toEqual([400, "invalid_request"]);
    }
    expect(operation.responses).toHaveProperty("400");
  },
);

test.each(REFUSING)("%s: an object's refusal with each of its own codes is an answer that is described", async (route, described) => {
  const operation = operationOf(route);
  for (const code of described.problems ?? []) {
    const refusal = (): unknown => ({
      ok: false,
      code,
      detail: "…",
      kind: "refused",
      purchaseId: PARAMETERS["purchaseId"],
      receiptId: null,
    });
    const refusing = fakeDoor({
      ...ANSWERS,
      ...Object.fromEntries(
        Object.entries(ANSWERS)
          .filter(([, answer]) => isResult(answer()))
          .map(([name]) => [name, refusal]),
      ),
      create: refusal,
      open: refusal,
      quote: refusal,
      pay: refusal,
    });
    const response = await send(described, {}, refusing);
    const body = (await response.json()) as { readonly code?: string };
    if (body.code === undefined) continue;
    expect(operation.responses, `${code}: ${response.status}`).toHaveProperty(String(response.status));
    expect(schemaFault({ $ref: "#/components/schemas/Problem" }, body, closed)).toBeNull();
  }
});
const isResult = (value: unknown): boolean => typeof value === "object" && value !== null && "ok" in value;

describe("receipts", () => {
  test.each(["GET /v1/receipts", "GET /v1/wallets/:walletId/receipts"])("%s: each JSON line fits its description", async (route) => {
    const described = ROUTES.find((each) => each.route === route);
    if (described === undefined) throw new Error("no route");
    const response = await send(described, { query: "?format=jsonl" });
    const lines = (await response.text()).trim().split("\n");
    expect(lines).toHaveLength(1);
    for (const line of lines)
      expect(schemaFault(operationOf(route).responses["200"]?.content?.["application/jsonl"]?.schema, JSON.parse(line), closed)).toBeNull();
  });
});

describe("the schema of a policy", () => {
  const policy = { $ref: "#/components/schemas/Policy" };
  const agrees = (value: unknown): void =>
    expect([schemaFault(policy, value, open) === null, JSON.stringify(value)]).toEqual([parsePolicy(value).ok, JSON.stringify(value)]);

  it("takes and refuses what `parsePolicy` takes and refuses", () => {
    const odd = fc.constantFrom<unknown>(
      null,
      -1,
      0,
      1,
      1.5,
      1000,
      1_000_001,
      2 ** 53,
      "x",
      "a.example",
      "/a",
      true,
      [],
      {},
      ["a.example"],
      ["/a b"],
      [{ host: "a.example" }],
      [{ windowMs: 5, capMsat: 1 }],
    );
    const fields = [...Object.keys(POLICY), "paymentsPerMinute", "hourMsat", "monthMsat", "totalMsat", "dayMast"];
    let taken = 0;
    fc.assert(
      fc.property(fc.constantFrom(...fields), odd, fc.boolean(), (field, value, drop) => {
        const changed: Record<string, unknown> = { ...POLICY, [field]: value };
        if (drop) delete changed[field];
        if (parsePolicy(changed).ok) taken++;
        agrees(changed);
      }),
      { numRuns: 600 },
    );
    expect(taken).toBeGreaterThan(10);
  });

  it.each([
    { ...POLICY, hosts: { ...POLICY.hosts, mode: "all" } },
    { ...POLICY, hosts: { ...POLICY.hosts, more: 1 } },
    { ...POLICY, hosts: { mode: "listed", allow: [], block: [] } },
    { ...POLICY, rolling: Array.from({ length: 9 }, () => ({ windowMs: 1000, capMsat: 1 })) },
    { ...POLICY, fee: { floorMsat: 1, ppm: 1_000_001 } },
    { ...POLICY, perHost: [{ dayMsat: 1 }] },
    { ...POLICY, hostSettings: [{ host: "a.example", reuse: "sometimes" }] },
    { ...POLICY, hostSettings: [{ host: "a.example", totalMs: 10 }] },
    { ...POLICY, perSubject: { host: "a.example" } },
    {},
    [],
    null,
  ])("agrees on %j", (value) => {
    expect(parsePolicy(value).ok).toBe(false);
    agrees(value);
  });
});
