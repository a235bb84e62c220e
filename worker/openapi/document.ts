/**
 * The OpenAPI 3.1 document (its schemas are JSON Schema 2020-12), from the schemas that validate requests and from shapes.ts. Built by
 * `npm run generate` into openapi.json and served as it is: Effect's generator would cost the Worker 7 KB gzip and every cold start time.
 */
import * as Schema from "effect/Schema";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import type { Json } from "../../lightning/jcs.ts";
import { APPROVAL_ID, BUDGET_NAME, KEY_ID, PURCHASE_ID, WALLET_ID } from "../../lightning/schema.ts";
import { HEADERS, ROUTES, type Answer, type Described, type Who } from "./routes.ts";
import { PolicyShape, Problem } from "./shapes.ts";

type Members = Record<string, Json>;

const PARAMETERS: Readonly<Record<string, { readonly is: string; readonly pattern?: RegExp }>> = {
  walletId: { is: "a wallet's id", pattern: WALLET_ID },
  purchaseId: { is: "a purchase's id", pattern: PURCHASE_ID },
  approvalId: { is: "an approval's id", pattern: APPROVAL_ID },
  budget: { is: "a budget's name", pattern: BUDGET_NAME },
  keyId: { is: "a key's id", pattern: KEY_ID },
  token: { is: "what a signed link carries" },
};
const PAID_HEADERS: Readonly<Record<string, string>> = {
  "Lightning-Status":
    "`paid`, `cached`, `free`, or `paid_unfulfilled` where the seller was paid and answered with something other than a 2xx",
  "Lightning-Purchase": "the purchase's id",
  "Lightning-Receipt": "the receipt's id",
  "Lightning-Spent-Msat": "what this call cost, price and fee, in millisatoshi; 0 when cached or free",
};
/** @param version the Worker's own */
export function openapi(version: string): Json {
  const schemas: Members = {};
  const responses: Members = {};
  // First and strictly: a policy is refused for a misspelt cap wherever it stands.
  compile(PolicyShape, "error", schemas);
  const paths: Record<string, Members> = {};
  for (const described of ROUTES) {
    const [method = "", path = ""] = described.route.split(" ");
    const at = path.replaceAll(/:(\w+)/gu, "{$1}");
    (paths[at] ??= {})[method.toLowerCase()] = operation(described, schemas, responses);
  }
  compile(Problem, "ignore", schemas);
  return {
    openapi: "3.1.0",
    info: {
      title: "Lightning Worker",
      version,
      description:
        "A Lightning wallet for AI agents: buys L402-protected resources under a spending policy. Amounts are millisatoshi unless a name says `Sats`; instants are epoch milliseconds. Refusals are RFC 9457 problem documents with a stable `code`.",
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: "/" }],
    paths,
    components: {
      securitySchemes: {
        agent: key("agent", "`lwk.…`: one wallet and one budget"),
        operator: key("operator", "`lwo.…`: an owner's wallets, policies and keys"),
        approver: key("approver", "`lwa.…`: decides about payments, and nothing else"),
      },
      headers: Object.fromEntries(
        Object.entries(PAID_HEADERS).map(([name, is]) => [name, { description: is, schema: { type: "string" } }]),
      ),
      parameters: Object.fromEntries(
        Object.entries(HEADERS).map(([name, is]) => [
          name,
          { name, in: "header", required: false, description: is, schema: { type: "string" } },
        ]),
      ),
      responses,
      schemas,
    },
  };
}

const key = (who: string, is: string): Json => ({ type: "http", scheme: "bearer", description: `${who} key, ${is}` });

function operation(described: Described, schemas: Members, responses: Members): Json {
  const { route, id, does, more, who, query, body, bodyOptional, form, headers = [], answers } = described;
  const names = [...route.matchAll(/:(\w+)/gu)].map(([, name = ""]) => name);
  const parameters: Json[] = [
    ...names.map(pathParameter),
    ...headers.map((name) => ({ $ref: `#/components/parameters/${name}` })),
    ...queryParameters(query, schemas),
  ];
  const content = body === undefined ? null : { "application/json": { schema: compile(body, "error", schemas) } };
  const buttons = {
    "application/x-www-form-urlencoded": {
      schema: { type: "object", properties: { decision: { type: "string", enum: ["approve", "reject"] } }, required: ["decision"] },
    },
  };
  return {
    operationId: id,
    summary: does,
    ...(more === undefined ? {} : { description: more }),
    security: security(who),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(content === null ? {} : { requestBody: { required: bodyOptional !== true, content } }),
    ...(form === true ? { requestBody: { required: true, content: buttons } } : {}),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer, schemas)])),
      ...problems(described, responses),
    },
  };
}

function security(who: Who): Json {
  switch (who) {
    case "anybody":
      return [];
    case "agent":
      return [{ agent: [] }];
    case "operator":
      return [{ operator: [] }];
    case "decider":
      return [{ operator: [] }, { approver: [] }];
  }
}

function pathParameter(name: string): Json {
  const known = PARAMETERS[name];
  if (known === undefined) throw new Error(`the path parameter ${name} is not described`);
  return {
    name,
    in: "path",
    required: true,
    description: known.is,
    schema: { type: "string", ...(known.pattern === undefined ? {} : { pattern: known.pattern.source }) },
  };
}

function queryParameters(query: Schema.Top | undefined, schemas: Members): readonly Json[] {
  if (query === undefined) return [];
  const { properties } = compile(query, "error", schemas) as { readonly properties: Readonly<Record<string, Json>> };
  return Object.entries(properties).map(([name, schema]) => ({ name, in: "query", required: false, schema }));
}

function response({ is, shape, lines, paid }: Answer, schemas: Members): Json {
  const content: Members =
    typeof shape === "string" ? { [shape]: {} } : { "application/json": { schema: compile(shape, "ignore", schemas) } };
  if (lines !== undefined) content["application/jsonl"] = { schema: compile(lines, "ignore", schemas) };
  const headers = Object.fromEntries(Object.keys(PAID_HEADERS).map((name) => [name, { $ref: `#/components/headers/${name}` }]));
  return { description: is, ...(paid === true ? { headers } : {}), content };
}

/** All codes a route may answer with, its own and those of what stands before it. */
export function problemsOf({ route, who, query, body, form, headers = [], problems: own = [] }: Described): readonly Code[] {
  const found = new Set<Code>(own);
  found.add("internal").add("control_plane_unavailable");
  if (who !== "anybody") found.add("unauthorized").add("forbidden");
  if (body !== undefined) found.add("invalid_request").add("request_too_large");
  if (query !== undefined || headers.length > 0) found.add("invalid_request");
  if (route.includes("/:") && form !== true && who !== "anybody") found.add("not_found");
  return (Object.keys(ERRORS) as Code[]).filter((code) => found.has(code));
}

/** One response a status; routes with the same codes share it, under a name made of them. */
function problems(described: Described, responses: Members): Members {
  const byStatus = new Map<number, Code[]>();
  for (const code of problemsOf(described)) {
    const { status } = ERRORS[code];
    byStatus.set(status, [...(byStatus.get(status) ?? []), code]);
  }
  const found: Members = {};
  for (const [status, codes] of byStatus) {
    if (Object.hasOwn(described.answers, status)) continue;
    const name = codes.join(".");
    responses[name] ??= {
      description: codes.join(", "),
      content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
    };
    found[status] = { $ref: `#/components/responses/${name}` };
  }
  return found;
}

/**
 * A schema as JSON Schema, its named parts moved to `schemas` and referred to.
 * @param excess `error`: a request with a field that is not named here is refused
 */
function compile(schema: Schema.Top, excess: "error" | "ignore", schemas: Members): Json {
  const { schema: own, definitions } = Schema.toJsonSchemaDocument(schema, { onExcessProperty: excess });
  for (const [name, part] of Object.entries(definitions)) schemas[name] ??= tidy(part as Json, excess);
  return tidy(own as Json, excess);
}

/** References as OpenAPI has them; the policy, whose law is code and which Effect cannot see into, by its shape; nothing that says nothing. */
function tidy(json: Json, excess: "error" | "ignore", name = ""): Json {
  if (Array.isArray(json)) return (json as readonly Json[]).map((each) => tidy(each, excess));
  if (typeof json !== "object" || json === null) return json;
  const members = Object.entries(json as Readonly<Record<string, Json>>);
  if (members.length === 0 && name === "policy") return { $ref: "#/components/schemas/Policy" };
  const kept: Members = {};
  for (const [key, value] of members) {
    if (key === "additionalProperties" && value === true) continue;
    // What every safe integer keeps to is worth saying of what we take, not of what we answer.
    if (excess === "ignore" && (key === "maximum" || key === "minimum") && Math.abs(Number(value)) === Number.MAX_SAFE_INTEGER) continue;
    kept[key] = key === "$ref" && typeof value === "string" ? value.replace("#/$defs/", "#/components/schemas/") : tidy(value, excess, key);
  }
  return kept;
}
