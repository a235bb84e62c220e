/** What stands before a route: who calls, how much he may send, and in what shape. */
import type { StandardSchemaV1 } from "@standard-schema/spec";
import { sValidator } from "@hono/standard-validator";
import type { Context, MiddlewareHandler } from "hono";
import { bodyLimit } from "hono/body-limit";
import { problemResponse } from "./answers.ts";
import type { Door, DoorEnv } from "./door.ts";
import { readBody } from "./read-body.ts";
import { MAIN_OWNER, ROOT_KEY_ID, resolvePrincipal, type Agent, type KeyRole, type Operator, type Principal } from "./principal.ts";

/** The hash of a key, wherever it lives: the very first operator key is configuration, so that a new deployment has a first caller. */
function keyHash(door: Door, owner: string, keyId: string, role: KeyRole): Promise<string | null> {
  if (role === "approver") return door.control(owner).approverKeyHash(keyId);
  if (keyId === ROOT_KEY_ID) return Promise.resolve(owner === MAIN_OWNER ? door.config.rootKeyHash : null);
  return door.control(owner).operatorKeyHash(keyId);
}

const only =
  (...kinds: readonly Principal["kind"][]): MiddlewareHandler<DoorEnv> =>
  async (c, next) => {
    const door = c.env.door;
    const principal = await resolvePrincipal(c.req.raw.headers.get("authorization"), (owner, keyId, role) =>
      keyHash(door, owner, keyId, role),
    );
    if (principal === null) return problemResponse("unauthorized");
    if (!kinds.includes(principal.kind)) return problemResponse("forbidden");
    c.set("principal", principal);
    return next();
  };

export const agentOnly = only("agent");
export const operatorOnly = only("operator");
/** Invariant 18: whoever decides is not the agent. */
export const deciderOnly = only("operator", "approver");

export function agentOf(c: Context<DoorEnv>): Agent {
  const principal = c.get("principal");
  if (principal.kind !== "agent") throw new Error("a route without agentOnly asked for an agent");
  return principal;
}

export function operatorOf(c: Context<DoorEnv>): Operator {
  const principal = c.get("principal");
  if (principal.kind !== "operator") throw new Error("a route without operatorOnly asked for an operator");
  return principal;
}

/** Who decides, by the name that stands in receipts. */
export function deciderOf(c: Context<DoorEnv>): { readonly owner: string; readonly by: string } {
  const principal = c.get("principal");
  if (principal.kind === "agent") throw new Error("a route without deciderOnly asked for a decider");
  return { owner: principal.owner, by: nameOf(principal) };
}

/** Where people reach this Worker: as configured, else where this request came in. */
export const publicBase = (c: Context<DoorEnv>): string => c.env.door.config.publicUrl ?? new URL(c.req.url).origin;

/** `operator/<owner>/<key id>`: no secret, and at most 62 characters. */
export const nameOf = ({ kind, owner, keyId }: Exclude<Principal, Agent>): string => `${kind}/${owner}/${keyId}`;

/** Refuses by `Content-Length` where there is one, else while reading: an endless body is cut at the cap. */
const limits = new Map<number, MiddlewareHandler>();
export const limited: MiddlewareHandler<DoorEnv> = (c, next) => {
  const { requestMaxBytes } = c.env.door.config;
  let limit = limits.get(requestMaxBytes);
  if (limit === undefined) {
    limit = bodyLimit({
      maxSize: requestMaxBytes,
      onError: () => problemResponse("request_too_large", `the body may have ${requestMaxBytes} bytes`),
    });
    limits.set(requestMaxBytes, limit);
  }
  return limit(c, next);
};

/** Without it a body of another type would read as an empty object, and the fault would be blamed on a field. */
const jsonOnly: MiddlewareHandler<DoorEnv> = (c, next) => {
  const type = c.req.raw.headers.get("content-type") ?? "";
  if (/^application\/(?:[\w.-]+\+)?json(?:;|$)/iu.test(type)) return next();
  return Promise.resolve(problemResponse("invalid_request", "Content-Type must be application/json"));
};

interface Fault {
  readonly message: string;
  readonly path?: readonly (PropertyKey | StandardSchemaV1.PathSegment)[] | undefined;
}

/** `url: Missing key`: names the field, quotes no value. Names of unknown fields are the caller's text, so they are cut. */
export function wordFault(issues: readonly Fault[], whole: string): string {
  const first = issues[0];
  if (first === undefined) return `${whole} is not valid`;
  const path = (first.path ?? []).map((segment) => String(typeof segment === "object" ? segment.key : segment).slice(0, 60)).join(".");
  return `${path === "" ? whole : path}: ${first.message.slice(0, 200)}`;
}

/** Body in JSON, within the cap, of this shape; `c.req.valid("json")` has it. */
export const body = <S extends StandardSchemaV1>(schema: S) =>
  [
    limited,
    jsonOnly,
    sValidator("json", schema, (result) =>
      result.success ? undefined : problemResponse("invalid_request", wordFault(result.error, "body")),
    ),
  ] as const;

/** As {@link body}, where everything in it may be left out: then the whole body may be, and its type with it. */
export const optionalBody =
  <T extends object>(schema: StandardSchemaV1<T, T>): MiddlewareHandler<DoorEnv, string, { in: { json: T }; out: { json: T } }> =>
  async (c, next) => {
    // An empty body may come as none, or as a stream without a byte: that is the engine's choice.
    if (!c.req.raw.headers.has("content-type") && (await readBody(c.req.raw, 0)).ok) {
      const empty = await schema["~standard"].validate({});
      if (empty.issues === undefined) c.req.addValidatedData("json", empty.value);
      return next();
    }
    for (const check of body(schema)) {
      let passed = false;
      const answer = await (check as MiddlewareHandler<DoorEnv>)(c, async () => void (passed = true));
      if (!passed) return answer;
    }
    return next();
  };

export const query = <S extends StandardSchemaV1>(schema: S) =>
  sValidator("query", schema, (result) =>
    result.success ? undefined : problemResponse("invalid_request", wordFault(result.error, "query")),
  );
