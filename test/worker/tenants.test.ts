/**
 * Tenants apart (invariant 17): every route and every entry point's method, against everybody it is not for. Each gets the right code, reads
 * nothing of the victim's and changes nothing of it: the rows of the victim's wallet and of its owner's control plane are the same before
 * and after. Routes come from the app and methods from the classes, so that a new one without a row here fails.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { env, exports } from "cloudflare:workers";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { listRoutes } from "../../worker/app.ts";
import { LightningApprovals } from "../../worker/approvals-service.ts";
import { routeTable, uncovered, type Names, type Route, type Who } from "../../worker/route-table.ts";
import { LightningService } from "../../worker/service.ts";
import { agentOf, approverOf, call, challenge, operatorOf, policy, seller, type Agent } from "./support.ts";

/** What no stranger may ever be shown. */
const MARK = "victims-own-mark";
const [SHAPE_PURCHASE, SHAPE_KEY] = ["00000000-0000-4000-8000-000000000000", "aaaaaaaaaaaa"];
/** The table's shape is known before there is a victim; what its paths name, only afterwards. */
const SHAPES = routeTable({
  walletId: "w_0123456789abcdef",
  purchaseId: SHAPE_PURCHASE,
  approvalId: `appr_${SHAPE_PURCHASE}`,
  budget: "daily",
  agentKeyId: SHAPE_KEY,
  operatorKeyId: SHAPE_KEY,
  approverKeyId: SHAPE_KEY,
  network: "mainnet",
});

type Answers = Readonly<Record<Who, string>>;
interface Stranger {
  readonly name: string;
  readonly key: string | null;
  /** By who the route is for: a code, `own` (answered, about the caller's own), or `absent` (own where the path names nothing, else not_found). */
  readonly expected: Answers;
}

const all = (code: string): Answers => ({ agent: code, operator: code, decider: code });
const wrong = (key: string): string => `${key.slice(0, key.lastIndexOf("."))}.${"A".repeat(43)}`;

let victim: Agent;
let names: Names;
let rows: readonly Route[] = [];
let strangers: readonly Stranger[] = [];

beforeAll(async () => {
  const [operator, foreigner] = [await operatorOf("main"), await operatorOf("other")];
  const approver = await approverOf(operator);
  victim = await agentOf(operator, policy(["seller.example"], { approvalAboveMsat: 50_000 }));
  const at = `/v1/wallets/${victim.walletId}`;
  seller(() => challenge(60_000));
  const asked = await call("POST", "/v1/fetch", victim.key, { url: `https://seller.example/${MARK}` });
  const revokedAgent = await call("POST", `${at}/keys`, operator, { budget: "daily", label: MARK });
  await call("DELETE", `${at}/keys/${String(revokedAgent.json["keyId"])}`, operator);
  const revokedApprover = await approverOf(operator);
  await call("DELETE", `/v1/approver-keys/${revokedApprover.keyId}`, operator);
  const revokedOperator = await call("POST", "/v1/operator-keys", operator, { label: MARK });
  await call("DELETE", `/v1/operator-keys/${String(revokedOperator.json["keyId"])}`, operator);
  // What a stranger could hope to end: keys that live.
  const desk = await call("POST", "/v1/operator-keys", operator, { label: MARK });
  // Its own alarm would change rows while we look: what it has to do is done now.
  const vault = env.WALLET.getByName(`main/${victim.walletId}`);
  await runInDurableObject(vault, (_object, { storage }) => void storage.sql.exec("UPDATE due SET at = 1 WHERE job = 'outbox'"));
  await runDurableObjectAlarm(vault);
  const [sibling, abroad] = [await agentOf(operator, policy(["a.example"])), await agentOf(foreigner, policy(["a.example"]))];
  names = {
    walletId: victim.walletId,
    purchaseId: String(asked.json["purchaseId"]),
    approvalId: String(asked.json["approvalId"]),
    budget: "daily",
    agentKeyId: victim.keyId,
    operatorKeyId: String(desk.json["keyId"]),
    approverKeyId: approver.keyId,
    network: env.LIGHTNING_NETWORK,
  };
  if (!/^appr_[0-9a-f-]{36}$/u.test(names.approvalId)) throw new Error("the victim has nothing to be decided about");
  rows = routeTable(names);
  // An agent's secret is its wallet's to check, so what is not for agents refuses it by its kind alone.
  const agents = (code: string): Answers => ({ agent: code, operator: "forbidden", decider: "forbidden" });
  strangers = [
    { name: "no key", key: null, expected: all("unauthorized") },
    { name: "a wrong agent's secret", key: wrong(victim.key), expected: agents("unauthorized") },
    { name: "a wrong operator's secret", key: wrong(operator), expected: all("unauthorized") },
    { name: "a wrong approver's secret", key: wrong(approver.key), expected: all("unauthorized") },
    { name: "a revoked agent", key: String(revokedAgent.json["key"]), expected: agents("unauthorized") },
    { name: "a revoked operator", key: String(revokedOperator.json["key"]), expected: all("unauthorized") },
    { name: "a revoked approver", key: revokedApprover.key, expected: all("unauthorized") },
    { name: "an approver under the operators' prefix", key: approver.key.replace("lwa.", "lwo."), expected: all("unauthorized") },
    { name: "another wallet's agent", key: sibling.key, expected: agents("absent") },
    {
      name: "another wallet's agent under this wallet's name",
      key: sibling.key.replace(sibling.walletId, victim.walletId),
      expected: agents("unauthorized"),
    },
    { name: "another owner's agent", key: abroad.key, expected: agents("absent") },
    {
      name: "another owner's agent under this owner's name",
      key: abroad.key.replace(".other.", ".main."),
      expected: agents("unauthorized"),
    },
    { name: "another owner's operator", key: foreigner, expected: { agent: "forbidden", operator: "absent", decider: "absent" } },
    {
      name: "another owner's operator under this owner's name",
      key: foreigner.replace(".other.", ".main."),
      expected: all("unauthorized"),
    },
    {
      name: "another owner's approver",
      key: (await approverOf(foreigner)).key,
      expected: { agent: "forbidden", operator: "forbidden", decider: "absent" },
    },
    { name: "the agent itself", key: victim.key, expected: agents("own") },
    { name: "this owner's approver", key: approver.key, expected: { agent: "forbidden", operator: "forbidden", decider: "own" } },
    { name: "this owner's operator", key: operator, expected: { agent: "forbidden", operator: "own", decider: "own" } },
  ];
});

afterAll(() => void vi.unstubAllGlobals());

/** Every row of the victim's wallet, and of its owner's control plane what is not another wallet's. */
async function held(): Promise<string> {
  const dump = (stub: DurableObjectStub, foreign: readonly string[]): Promise<string> =>
    runInDurableObject(stub, (_object, { storage }) => {
      const tables = storage.sql
        .exec<{ name: string }>(
          "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT GLOB '_cf_*' AND name NOT GLOB 'sqlite_*' ORDER BY name",
        )
        .toArray();
      return tables
        .map(({ name }) => {
          const found = storage.sql
            .exec(`SELECT * FROM "${name}"`)
            .toArray()
            .map((row) =>
              JSON.stringify(row, (_key, value: unknown) => (value instanceof ArrayBuffer ? [...new Uint8Array(value)].join() : value)),
            );
          return `${name}: ${found
            .filter((row) => !foreign.some((id) => row.includes(id)))
            .toSorted()
            .join("\n")}`;
        })
        .join("\n\n");
    });
  const others = (await call("GET", "/v1/wallets", strangers.at(-1)?.key ?? null)).json["wallets"] as readonly {
    readonly walletId: string;
  }[];
  const foreign = others.map(({ walletId }) => walletId).filter((walletId) => walletId !== victim.walletId);
  return `${await dump(env.WALLET.getByName(`main/${victim.walletId}`), [])}\n\n${await dump(env.CONTROL_PLANE.getByName("owner:main"), foreign)}`;
}

/** Does the path itself name something of the victim's? A restore brings its own words and makes a wallet of the caller's own, or none. */
const namesVictim = (route: Route): boolean =>
  [names.walletId, names.purchaseId, names.operatorKeyId, names.approverKeyId].some((name) => route.path.includes(name)) &&
  !route.path.endsWith("/restore");

/** What a route that names nothing of the victim's says to another's principal: what is his own; but the platform's switch is nobody else's. */
function answeredToOthers({ path }: Route): readonly unknown[] {
  if (path === "/v1/security/global") return ["forbidden"];
  // Words that are no mnemonic.
  return path.endsWith("/restore") ? ["invalid_request"] : [200, 201];
}

describe.each(SHAPES.map((shape, index) => [`${shape.method} ${shape.path}`, index] as const))("invariant 17: %s", (_name, index) => {
  test("answers nobody it is not for, shows them nothing and changes nothing", async () => {
    const route = rows[index];
    if (route === undefined) throw new Error("the table has lost a row");
    seller(() => new Response("hello"));
    const before = await held();
    for (const { name, key, expected } of strangers) {
      if (expected[route.who] === "own") continue;
      const answer = await call(route.method, route.path, key, route.body);
      const code = expected[route.who] === "absent" ? (namesVictim(route) ? "not_found" : "own") : expected[route.who];
      const said = answer.json["code"] ?? answer.status;
      if (code === "own") expect(answeredToOthers(route), `${name}: ${answer.text.slice(0, 300)}`).toContain(said);
      else expect(said, `${name}: ${answer.text.slice(0, 300)}`).toBe(code);
      for (const secret of [
        MARK,
        names.walletId,
        names.purchaseId,
        names.approvalId,
        names.agentKeyId,
        names.operatorKeyId,
        names.approverKeyId,
      ])
        expect(answer.text, name).not.toContain(secret);
      expect(answer.headers.get("cache-control"), name).toBe("no-store");
    }
    expect(await held()).toBe(before);
  });
});

test("every route of the app has a row, and the rows reach what they are about: their own principals are answered", async () => {
  expect(uncovered(listRoutes(), rows)).toEqual([]);
  const reading = rows.filter(({ method, path }) => method === "GET" && !path.includes("/custody"));
  expect(reading.length).toBeGreaterThan(12);
  for (const route of reading) {
    const own = strangers.filter(({ expected }) => expected[route.who] === "own");
    expect(own.length).toBeGreaterThan(0);
    for (const { name, key } of own) expect((await call(route.method, route.path, key)).status, `${name}: ${route.path}`).toBe(200);
  }
});

describe("invariant 17: bindings", () => {
  type Bound = (props: unknown) => Readonly<Record<string, (...args: readonly unknown[]) => Promise<unknown>>>;
  const classes = [
    ["LightningService", LightningService, exports.LightningService as unknown as (options: { props: unknown }) => ReturnType<Bound>],
    ["LightningApprovals", LightningApprovals, exports.LightningApprovals as unknown as (options: { props: unknown }) => ReturnType<Bound>],
  ] as const;
  /** What a caller would give each method; the victim's ids wherever one fits. */
  const ARGUMENTS: Readonly<Record<string, () => readonly unknown[]>> = {
    fetch: () => [new Request("https://seller.example/free")],
    quote: () => [{ url: "https://seller.example/free" }],
    status: () => [],
    resume: () => [names.purchaseId],
    lightning_l402_fetch: () => [{ url: "https://seller.example/free" }, { resume: names.purchaseId }],
    lightning_l402_quote: () => [{ url: "https://seller.example/free" }],
    lightning_wallet_status: () => [],
    list: () => [],
    lightning_l402_approve: () => [names.approvalId],
    lightning_l402_reject: () => [names.approvalId],
    link: () => [names.approvalId],
  };
  const PROPS: readonly (readonly [string, () => unknown])[] = [
    ["no props", () => undefined],
    ["empty props", () => ({})],
    ["a wallet alone", () => ({ wallet: names.walletId })],
    ["the other entry point's props", () => ({ wallet: names.walletId, other: true })],
    ["both kinds of props", () => ({ wallet: names.walletId, budget: "daily", approver: "ada" })],
    ["another owner's name", () => ({ owner: "other", wallet: names.walletId, budget: "daily" })],
    ["an owner that escapes the object's name", () => ({ owner: `main/${names.walletId}`, wallet: names.walletId, budget: "daily" })],
    ["a wallet that is nobody's", () => ({ wallet: "w_aaaaaaaaaaaaaaaa", budget: "daily" })],
    ["a budget that is none", () => ({ wallet: names.walletId, budget: "none-such" })],
    ["numbers", () => ({ owner: 1, wallet: 2, budget: 3, approver: 4 })],
  ];
  const methods = classes.flatMap(([name, service, bind]) =>
    Object.getOwnPropertyNames(service.prototype)
      .filter((method) => method !== "constructor")
      .map((method) => [`${name}.${method}`, name, method, bind] as const),
  );

  test.each(methods)("%s answers no props that are not its own", async (_name, entry, method, bind) => {
    const given = ARGUMENTS[method];
    if (given === undefined) throw new Error(`the method ${method} has no row here`);
    seller(() => new Response("hello"));
    const before = await held();
    for (const [what, propsOf] of PROPS) {
      const base = propsOf() as Readonly<Record<string, unknown>> | undefined;
      // The approvers' door wants an approver where the agents' wants a budget.
      const props =
        entry === "LightningService" || base?.["budget"] === undefined || base["approver"] !== undefined
          ? swapped(entry, base)
          : { ...base, budget: undefined, approver: "ada" };
      if (entry === "LightningApprovals" && what === "a budget that is none") continue;
      const answer = await bind({ props })[method]?.(...given());
      const text = answer instanceof Response ? await answer.text() : JSON.stringify(answer);
      expect(text, what).toMatch(
        method === "fetch" && entry === "LightningApprovals" ? /"not_found"/u : /"(?:forbidden|unauthorized|not_found|not_supported)"/u,
      );
      for (const secret of [MARK, names.walletId, names.purchaseId, names.approvalId, "hello"]) expect(text, what).not.toContain(secret);
    }
    expect(await held()).toBe(before);
  });

  /** `other: true` stands for the props of the other entry point. */
  function swapped(entry: string, props: Readonly<Record<string, unknown>> | undefined): unknown {
    if (props?.["other"] !== true) return props;
    return { wallet: props["wallet"], ...(entry === "LightningService" ? { approver: "ada" } : { budget: "daily" }) };
  }
});
