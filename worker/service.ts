/**
 * The private door: a Worker on the same account binds `LightningService` with props and gets a `fetch` that pays. Who it is comes from
 * the props of its binding, which its operator wrote and no argument can change (invariant 17); props that do not name a wallet and a
 * budget reach nothing. Methods return plain values, and streams go only through `fetch`. Everything on the prototype can be called
 * over RPC, so what is not meant for callers is `#`.
 */
import { WorkerEntrypoint } from "cloudflare:workers";
import { BUDGET_NAME, FetchBody, METHODS, OWNER, PURCHASE_ID, WALLET_ID, strict } from "../lightning/schema.ts";
import type { Code } from "../lightning/errors.ts";
import type { Result, WalletAgentViews } from "../lightning/wallet-admin.ts";
import type { Auth, PurchaseView } from "../lightning/wallet-api.ts";
import { flowResponse, problemResponse } from "./answers.ts";
import { unexpected } from "./app.ts";
import { bodyCall, readSteering, type Steering } from "./call.ts";
import { readConfig, type Config } from "./config.ts";
import { purchase, quoteFlow } from "./flow.ts";
import type { FetchCall, FlowPorts } from "./flow-types.ts";
import { log } from "./log.ts";
import { wordFault } from "./middleware.ts";
import { flowPorts, walletStub } from "./ports.ts";
import { MAIN_OWNER } from "./principal.ts";
import { readBody } from "./read-body.ts";
import { toolAnswer, toolProblem, toolQuote, type HostOptions, type ToolAnswer, type ToolProblem, type ToolQuote } from "./tools.ts";

/** What the operator writes into the binding. */
export interface ServiceProps {
  /** Default `main`. */
  readonly owner?: string;
  readonly wallet: string;
  readonly budget: string;
}

interface Caller {
  readonly owner: string;
  readonly walletId: string;
  readonly auth: Auth;
  readonly config: Config;
}

type Resolved = { readonly ok: true; readonly caller: Caller } | { readonly ok: false; readonly code: Code; readonly detail: string };
type OwnStatus = Awaited<ReturnType<WalletAgentViews["ownStatus"]>>;

const fetchBody = strict(FetchBody);

export class LightningService extends WorkerEntrypoint<Env, ServiceProps> {
  /**
   * Any fetch: URL, method, headers and body go to the seller, within the budget of the binding. `Idempotency-Key`,
   * `Lightning-Max-Sats`, `Lightning-Subject`, `Lightning-Resume` and `Lightning-Wait-Ms` are read as by `POST /v1/fetch`, and so is the answer.
   */
  override async fetch(request: Request): Promise<Response> {
    const resolved = this.#caller();
    if (!resolved.ok) return problemResponse(resolved.code, resolved.detail);
    if (!METHODS.some((method) => method === request.method))
      return problemResponse("invalid_request", `method: Expected one of ${METHODS.join(", ")}`);
    const steering = readSteering(request.headers);
    if (!steering.ok) return problemResponse("invalid_request", steering.detail);
    try {
      const { config } = resolved.caller;
      const body = await readBody(request, config.requestMaxBytes);
      if (!body.ok) return problemResponse("request_too_large", `the body may have ${config.requestMaxBytes} bytes`);
      const call: FetchCall = {
        auth: resolved.caller.auth,
        method: request.method,
        url: request.url,
        headers: [...request.headers],
        body: body.bytes,
        ...steering.value,
      };
      return flowResponse(await purchase(this.#ports(resolved.caller), call), config.publicUrl);
    } catch (error) {
      return unexpected(error, { log });
    }
  }

  /** What it would cost, and whether policy allows it; nothing is paid. @param asked as the body of `POST /v1/quote` */
  async quote(asked: unknown, options: HostOptions | null = null): Promise<ToolQuote | ToolProblem> {
    return this.#with(asked, options, async (ports, call) => toolQuote(await quoteFlow(ports, call)));
  }

  /** The wallet's state, this binding's budget and what is left of it. */
  async status(): Promise<OwnStatus> {
    return this.#view((wallet, auth) => wallet.ownStatus(auth));
  }

  /**
   * What became of a purchase. To have its resource, send the same request again with `Lightning-Resume: <purchase id>` (for tools:
   * the host's option `resume`): it waits for a payment under way, uses its credential, and pays nothing, whatever comes.
   */
  async resume(purchaseId: unknown): Promise<Result<PurchaseView>> {
    if (typeof purchaseId !== "string" || !PURCHASE_ID.test(purchaseId))
      return { ok: false, code: "not_found", detail: "no purchase has such an id" };
    return this.#view((wallet, auth) => wallet.ownPurchase(auth, purchaseId));
  }

  /**
   * For models: as `fetch`, the answer as bounded text.
   * @param asked what the model wrote: `url`, `method`, `headers`, `body` @param options what the host adds; never the model's own
   */
  async lightning_l402_fetch(asked: unknown, options: HostOptions | null = null): Promise<ToolAnswer | ToolProblem> {
    return this.#with(asked, options, async (ports, call, { publicUrl }) => toolAnswer(await purchase(ports, call), publicUrl));
  }

  /** For models: as `quote`. */
  async lightning_l402_quote(asked: unknown, options: HostOptions | null = null): Promise<ToolQuote | ToolProblem> {
    return this.quote(asked, options);
  }

  /** For models: as `status`. */
  async lightning_wallet_status(): Promise<OwnStatus> {
    return this.status();
  }

  #caller(): Resolved {
    const props: unknown = this.ctx.props;
    const member = (name: string): unknown => (typeof props === "object" && props !== null ? Reflect.get(props, name) : undefined);
    const owner = member("owner") ?? MAIN_OWNER;
    const walletId = member("wallet");
    const budget = member("budget");
    // Props that also name an approver are a mistake: nobody both asks and decides (invariant 18).
    if (!matches(owner, OWNER) || !matches(walletId, WALLET_ID) || !matches(budget, BUDGET_NAME) || member("approver") !== undefined) {
      return { ok: false, code: "forbidden", detail: "this binding's props name no wallet and budget" };
    }
    const read = readConfig(this.env);
    if (!read.ok) return { ok: false, code: "internal", detail: read.fault };
    return { ok: true, caller: { owner, walletId, auth: { kind: "binding", budget }, config: read.config } };
  }

  #ports({ owner, walletId, config }: Caller): FlowPorts {
    return flowPorts(this.env.WALLET, config, (work) => this.ctx.waitUntil(work), owner, walletId);
  }

  async #with<T>(
    asked: unknown,
    options: HostOptions | null,
    work: (ports: FlowPorts, call: FetchCall, config: Config) => Promise<T>,
  ): Promise<T | ToolProblem> {
    const resolved = this.#caller();
    if (!resolved.ok) return toolProblem(resolved.code, resolved.detail);
    const checked = await fetchBody["~standard"].validate(asked);
    if (checked.issues !== undefined) return toolProblem("invalid_request", wordFault(checked.issues, "arguments"));
    const steering = steeringOf(options);
    if (!steering.ok) return toolProblem("invalid_request", steering.detail);
    try {
      return await work(
        this.#ports(resolved.caller),
        bodyCall(resolved.caller.auth, checked.value, steering.value),
        resolved.caller.config,
      );
    } catch (error) {
      return toolProblem(...codeOf(unexpected(error, { log })));
    }
  }

  async #view<T>(read: (wallet: WalletAgentViews, auth: Auth) => Promise<Result<T>>): Promise<Result<T>> {
    const resolved = this.#caller();
    if (!resolved.ok) return resolved;
    const { owner, walletId, auth } = resolved.caller;
    try {
      return await read(walletStub(this.env.WALLET, owner, walletId), auth);
    } catch (error) {
      const [code, detail] = codeOf(unexpected(error, { log }));
      return { ok: false, code, detail };
    }
  }
}

const matches = (value: unknown, pattern: RegExp): value is string => typeof value === "string" && pattern.test(value);

/** Under which code, and which request id, the log has it. */
function codeOf(response: Response): [Code, string] {
  return [
    response.status === 503 ? "control_plane_unavailable" : "internal",
    `request ${response.headers.get("x-request-id") ?? "without id"}`,
  ];
}

function steeringOf(
  options: HostOptions | null,
): { readonly ok: true; readonly value: Steering } | { readonly ok: false; readonly detail: string } {
  const text = (value: unknown): string | null => (value === undefined || value === null ? null : String(value));
  const headers: Readonly<Record<string, string | null>> = {
    "idempotency-key": text(options?.idempotencyKey),
    "lightning-max-sats": text(options?.maxSats),
    "lightning-subject": text(options?.subject),
    "lightning-resume": text(options?.resume),
    "lightning-wait-ms": text(options?.waitMs),
  };
  return readSteering({ get: (name) => headers[name] ?? null });
}
