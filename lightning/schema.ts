/**
 * The shapes that come from outside, as Effect schemas: the Worker validates requests with them through Standard Schema, the ops
 * command line encodes with them. Deep imports only: the barrel costs 75 KB gzip. Effect echoes no input in its messages unless
 * `reportInput` is set; it never is, because a field may hold a mnemonic.
 */
import * as Schema from "effect/Schema";
import { MAX_MSAT } from "./msat.ts";
import { parsePolicy } from "./policy-check.ts";
import type { Policy } from "./policy.ts";
import { isHostPattern } from "./url.ts";
import { ROTATIONS } from "./wallet-custody.ts";

/** `[a-z0-9-]{1,40}`; part of every object name, so it can hold no slash. */
export const OWNER = /^[a-z0-9-]{1,40}$/u;
export const WALLET_ID = /^w_[a-z0-9]{16}$/u;
export const BUDGET_NAME = /^[a-z0-9][a-z0-9-]{0,39}$/u;
/** Generated ids have 12 characters; the first operator key is called `root`. */
export const KEY_ID = /^(?:[a-z0-9]{12}|root)$/u;
/** RFC 4122 text, lower case: how the Worker writes purchase ids. */
export const PURCHASE_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;

/** An approval is named after the purchase that asked for it. */
export const APPROVAL_ID = /^appr_[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/u;
/** `Idempotency-Key`, where it is ours to read. */
export const REQUEST_KEY = /^[\u0021-\u007e]{1,255}$/u;

const text = (expected: string, pattern: RegExp) => Schema.String.check(Schema.isPattern(pattern, { expected }));
/** Well-formed, too: half a surrogate pair has no UTF-8 form, and what a request's key stands for is hashed in canonical JSON. */
const label = text("at most 100 printable characters", /^[^\p{Cc}\p{Cs}]{0,100}$/u);
const budgetName = text("a name of 1 to 40 characters of a-z, 0-9 and -", BUDGET_NAME);
const network = Schema.Literals(["mainnet", "testnet", "signet", "regtest"]);

/** The law of a policy is `parsePolicy`; here it only gets a place among the schemas, with its own words for the fault. */
export const PolicySchema = Schema.declare<Policy>((value): value is Policy => typeof value === "object" && value !== null, {
  expected: "a policy",
}).check(
  Schema.makeFilter((value) => {
    const read = parsePolicy(value);
    return read.ok ? undefined : read.detail;
  }),
);

const allow = Schema.Array(
  Schema.String.check(
    Schema.makeFilter((value) => (isHostPattern(value) ? undefined : "must be a host, *.host, or either with :port, in lower case")),
  ),
).check(Schema.isMaxLength(500, { expected: "at most 500 hosts" }));

/** Either a whole policy or a preset with the hosts it allows; {@link oneRule} refuses both. Neither is the starter preset that allows nothing yet. */
const rule = {
  policy: Schema.optionalKey(PolicySchema),
  preset: Schema.optionalKey(Schema.Literals(["starter"])),
  allow: Schema.optionalKey(allow),
};
const oneRule = Schema.makeFilter<{ readonly policy?: unknown; readonly preset?: unknown; readonly allow?: unknown }>((value) =>
  value.policy !== undefined && (value.preset !== undefined || value.allow !== undefined)
    ? { path: ["policy"], issue: "stands alone: send a policy, or a preset with allow" }
    : undefined,
);

const mnemonic = Schema.String.check(Schema.isMaxLength(1000, { expected: "12 or 24 words" }));
/** Its checksum is verified where the backup is sealed; here it only has the right shape. */
const backupRecipient = text("an age X25519 recipient, age1 and 58 characters", /^age1[02-9ac-hj-np-z]{58}$/u);
/** Of a spender that follows another: the first has 1. */
const epoch = Schema.Number.check(
  Schema.makeFilter((value) =>
    Number.isSafeInteger(value) && value >= 2 && value <= 1_000_000 ? undefined : "must be a whole number from 2 to 1000000",
  ),
);

export const CreateWallet = Schema.Struct({
  label: Schema.optionalKey(label),
  network: Schema.optionalKey(network),
  mnemonic: Schema.optionalKey(mnemonic),
  backupRecipient: Schema.optionalKey(backupRecipient),
  ...rule,
}).check(oneRule);

/** A wallet of this owner whose deployment is lost, from its backup: the same id, under the next epoch. */
export const RestoreWallet = Schema.Struct({
  label: Schema.optionalKey(label),
  network: Schema.optionalKey(network),
  mnemonic,
  epoch,
  backupRecipient: Schema.optionalKey(backupRecipient),
  ...rule,
}).check(oneRule);

export const RotateBody = Schema.Struct({ what: Schema.Literals(ROTATIONS) });
export const FenceBody = Schema.Struct({ epoch });
export const SpenderBody = Schema.Struct({
  epoch,
  backend: Schema.Literals(["http-executor", "spark-wasm"]),
  spender: Schema.optionalKey(text("a spender's name of 1 to 40 characters of a-z, 0-9 and -", /^[a-z0-9][a-z0-9-]{0,39}$/u)),
});

export const PutPolicy = Schema.Struct(rule).check(oneRule);

/** Without `budget` the policy is tried as the wallet's, with it as that budget's. */
export const DryRunPolicy = Schema.Struct({ ...rule, budget: Schema.optionalKey(budgetName) }).check(oneRule);

export const PutBudget = Schema.Struct({ ...rule, disabled: Schema.optionalKey(Schema.Boolean) }).check(oneRule);

export const CreateAgentKey = Schema.Struct({ budget: budgetName, label: Schema.optionalKey(label) });

export const CreateOperatorKey = Schema.Struct({ label: Schema.optionalKey(label) });

export const CreateApproverKey = CreateOperatorKey;

const wholeSats = (least: 0 | 1) =>
  Schema.Number.check(
    Schema.makeFilter((value) =>
      Number.isInteger(value) && value >= least && value <= MAX_MSAT / 1000 ? undefined : `must be a whole number of satoshi from ${least}`,
    ),
  );

/** `maxSats` can only lower what was quoted. */
export const ApproveBody = Schema.Struct({ maxSats: Schema.optionalKey(wholeSats(1)) });

export const APPROVAL_STATES = ["pending", "granted", "rejected", "used", "expired"] as const;
export const ApprovalsQuery = Schema.Struct({
  state: Schema.optionalKey(Schema.Literals(APPROVAL_STATES)),
  before: Schema.optionalKey(text("an approval's id", APPROVAL_ID)),
});

/** Evidence goes into a receipt, which is shown and exported; the preimage is checked and sealed, and proves a payment. */
export const ResolveBody = Schema.Struct({
  verdict: Schema.Literals(["paid", "failed"]),
  evidence: text("1 to 500 printable characters", /^(?=.*\S)[^\p{Cc}]{1,500}$/u),
  preimage: Schema.optionalKey(text("64 hex digits", /^[0-9a-fA-F]{64}$/u)),
}).check(
  Schema.makeFilter((value) =>
    value.preimage !== undefined && value.verdict === "failed"
      ? { path: ["preimage"], issue: "proves a payment, and the verdict is failed" }
      : undefined,
  ),
);

export const WithdrawBody = Schema.Struct({
  withdrawalId: Schema.optionalKey(text("a UUID in lower case", PURCHASE_ID)),
  bolt11: text("a BOLT11 invoice", /^(?:ln[a-z0-9]{1,8000}|LN[A-Z0-9]{1,8000})$/u),
  maxFeeSats: wholeSats(0),
});

export const InvoiceBody = Schema.Struct({ amountSats: wholeSats(1) });

export const SwitchBody = Schema.Struct({ active: Schema.Boolean });

/** RFC 9110 section 5: a field name is a token; a value holds no CR, LF or NUL, so nothing can be smuggled behind it. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/u;
const HEADER_VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]{0,8192}$/u;
const MAX_HEADERS = 64;

const headers = Schema.Record(Schema.String, Schema.String).check(
  Schema.makeFilter((value) => {
    const entries = Object.entries(value);
    if (entries.length > MAX_HEADERS) return `holds more than ${MAX_HEADERS} headers`;
    if (!entries.every(([name]) => HEADER_NAME.test(name))) return "holds a name that is no HTTP token";
    const bad = entries.find(([, content]) => !HEADER_VALUE.test(content));
    return bad === undefined ? undefined : `${bad[0]} is not a header value`;
  }),
);

export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

/** What an agent asks to have fetched or quoted. `body` is sent as UTF-8, `bodyBase64` as the bytes it holds. */
export const FetchBody = Schema.Struct({
  method: Schema.optionalKey(Schema.Literals(METHODS)),
  url: Schema.String.check(Schema.isBetweenLength(1, 8192, { expected: "an absolute URL of at most 8192 characters" })),
  headers: Schema.optionalKey(headers),
  body: Schema.optionalKey(
    Schema.String.check(Schema.makeFilter((value) => (value.isWellFormed() ? undefined : "holds a lone surrogate"))),
  ),
  bodyBase64: Schema.optionalKey(text("standard base64 with padding", /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/u)),
}).check(
  Schema.makeFilter((value) => {
    if (value.body !== undefined && value.bodyBase64 !== undefined)
      return { path: ["bodyBase64"], issue: "stands beside body: send one of them" };
    const bodiless = value.method === undefined || value.method === "GET" || value.method === "HEAD";
    if (bodiless && (value.body !== undefined || value.bodyBase64 !== undefined))
      return { path: ["body"], issue: "is not sent with GET or HEAD" };
    return undefined;
  }),
);
export type FetchBody = typeof FetchBody.Type;

const integer = text("a whole number", /^(?:0|[1-9][0-9]{0,14})$/u);
const limit = text("a whole number from 1 to 500", /^(?:[1-9][0-9]?|[1-4][0-9]{2}|500)$/u);

/** Query strings, so numbers come as text. Receipts go forward in chain order, purchases backward in time. */
export const ReceiptsQuery = Schema.Struct({
  after: Schema.optionalKey(integer),
  limit: Schema.optionalKey(limit),
  format: Schema.optionalKey(Schema.Literals(["json", "jsonl"])),
});
export const CustodyQuery = Schema.Struct({ after: Schema.optionalKey(text("a wallet's id", WALLET_ID)) });
export const PurchasesQuery = Schema.Struct({ before: Schema.optionalKey(integer), limit: Schema.optionalKey(limit) });

/** Unknown fields are refused: a misspelt cap must not be a missing cap. */
export const strict = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) =>
  Schema.toStandardSchemaV1(schema, { parseOptions: { onExcessProperty: "error" } });
