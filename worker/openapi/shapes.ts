/**
 * What the routes answer, as Effect schemas: for the OpenAPI document alone, so none of it is in the deployed Worker. Each is held to the
 * type that the code really answers with, in both directions: a field that is added, dropped or renamed there does not compile here.
 */
import * as Schema from "effect/Schema";
import type { ApprovalView } from "../../lightning/approval.ts";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { ERRORS, type Code } from "../../lightning/errors.ts";
import type { PayerStatus } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import { STATES } from "../../lightning/purchase.ts";
import type { Receipt, ReceiptKind } from "../../lightning/receipt.ts";
import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import type { Replayed } from "../../lightning/replay.ts";
import { APPROVAL_STATES, BUDGET_NAME, PURCHASE_ID, WALLET_ID } from "../../lightning/schema.ts";
import type { BudgetView, FundingInvoice, KeyView, WalletStatus } from "../../lightning/wallet-admin.ts";
import type { PurchaseView, Quote } from "../../lightning/wallet-api.ts";
import type { WalletCustodyView } from "../../lightning/wallet-custody.ts";
import type { KekUse, OneCustody } from "../custody-view.ts";

/** `Exact<T>(schema)`: the schema's type and T take each other's values and have the same fields. Brands (Msat) are numbers here. */
type Same<A, B> = [A] extends [B] ? true : false;
const held =
  <T>() =>
  <S extends Schema.Top>(
    schema: Same<keyof T, keyof S["Type"]> extends true
      ? Same<keyof S["Type"], keyof T> extends true
        ? T extends S["Type"]
          ? S
          : never
        : never
      : never,
  ): S =>
    schema;

const codes = Object.keys(ERRORS) as [Code, ...Code[]];
const text = (pattern: RegExp) => Schema.String.check(Schema.isPattern(pattern));
const int = (least: number) => Schema.Number.check(Schema.isInt(), Schema.isGreaterThanOrEqualTo(least));
const Msat = Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })).annotate({
  identifier: "Msat",
  description: "millisatoshi",
});
const Instant = Schema.Number.check(Schema.isInt()).annotate({ identifier: "Instant", description: "epoch milliseconds" });
const Network = Schema.Literals(["mainnet", "testnet", "signet", "regtest"]);
const Backend = Schema.Literals(["http-executor", "spark-wasm"]);
const CodeName = Schema.Literals(codes).annotate({ identifier: "Code", description: "Stable names; new ones may be added." });
const Hash = text(/^[0-9a-f]{64}$/u);
const WalletId = text(WALLET_ID);
const PurchaseId = text(PURCHASE_ID);
const list = <S extends Schema.Top>(of: S) => Schema.Array(of);
const named = <S extends Schema.Top>(identifier: string, schema: S) => schema.annotate({ identifier }) as S;
const may = Schema.optionalKey;

const windows = {
  hourMsat: may(Msat),
  dayMsat: may(Msat),
  monthMsat: may(Msat),
  totalMsat: may(Msat),
  rolling: may(
    list(
      Schema.Struct({
        windowMs: Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 1000, maximum: 31 * 86_400_000 })),
        capMsat: Msat,
      }),
    ).check(Schema.isMaxLength(8)),
  ),
};
const HostPattern = Schema.String.annotate({
  identifier: "HostPattern",
  description: "host, *.host, or either with :port, in lower case; 443 when no port is named",
});
const Wait = Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 1000, maximum: 86_400_000 }));

/** The law is `parsePolicy`; a property test compares the two. */
export const PolicyShape = named(
  "Policy",
  held<Policy>()(
    Schema.Struct({
      ...windows,
      perPaymentMsat: may(Msat),
      paymentsPerMinute: may(int(1)),
      approvalAboveMsat: may(Msat),
      hosts: Schema.Struct({
        mode: Schema.Literals(["listed", "any_public"]),
        allow: list(HostPattern).check(Schema.isMaxLength(500)),
        block: list(HostPattern).check(Schema.isMaxLength(500)),
        unknown: Schema.Literals(["deny", "ask"]),
      }),
      perHost: may(list(Schema.Struct({ ...windows, host: HostPattern, perPaymentMsat: may(Msat) })).check(Schema.isMaxLength(100))),
      perSubject: may(Schema.Struct({ ...windows, perPaymentMsat: may(Msat) })),
      hostSettings: may(
        list(
          Schema.Struct({
            host: HostPattern,
            reuse: may(Schema.Literals(["auto", "always", "never"])),
            headersMs: may(Wait),
            idleMs: may(Wait),
            totalMs: may(Wait),
            maxBytes: may(int(1)),
          }),
        ).check(Schema.isMaxLength(100)),
      ),
      approvalMs: may(Wait),
      lowBalanceMsat: may(Msat),
      fee: Schema.Struct({
        floorMsat: Msat,
        ppm: Schema.Number.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: 1_000_000 })),
      }),
      opaqueTokens: Schema.Literals(["deny", "allow"]),
      network: Network,
      pathPrefixes: may(list(text(/^\/[^?#\s\p{Cs}]*$/u)).check(Schema.isMaxLength(100))),
    }),
  ),
);

const record = {
  walletId: WalletId,
  owner: Schema.String,
  label: Schema.String,
  network: Network,
  backend: Backend,
  epoch: int(1),
  walletSource: Schema.Literals(["embedded_envelope", "convex_envelope", "legacy_env"]),
  createdAt: Instant,
};
export const WalletShape = named("Wallet", held<WalletRecord>()(Schema.Struct(record)));
export const NewWallet = Schema.Struct({
  ...record,
  policy: PolicyShape,
  backup: may(Schema.String.annotate({ description: "age, armored; sealed to `backupRecipient`; shown once" })),
});
export const Wallets = Schema.Struct({ wallets: list(WalletShape) });
export const WalletState = Schema.Struct({ walletId: WalletId, state: Schema.Literals(["active", "disabled"]) });
export const DisabledNow = Schema.Struct({ walletId: WalletId, state: Schema.Literals(["disabled"]), cancelled: int(0) });

export const Payer = named(
  "Payer",
  held<PayerStatus>()(
    Schema.Struct({
      backend: Backend,
      online: Schema.Boolean,
      spendableMsat: Schema.NullOr(Msat),
      network: Schema.NullOr(Schema.String),
      lastPaymentAt: Schema.NullOr(Instant),
      version: Schema.NullOr(Schema.String),
      degraded: may(list(Schema.Literals(["not_synced", "payment_list_stuck", "identity_mismatch", "misconfigured"]))),
    }),
  ),
);
export const Balance = Schema.Struct({
  walletId: WalletId,
  balance: Schema.NullOr(Payer),
  asOf: Schema.NullOr(Instant),
  stale: Schema.Boolean,
});

const Spent = named(
  "Spent",
  held<BudgetView["spent"]>()(Schema.Struct({ hourMsat: Msat, dayMsat: Msat, monthMsat: Msat, totalMsat: Msat, openMsat: Msat })),
);
const Status = Schema.Literals(["active", "disabled", "paused"]);
export const WalletStatusShape = held<WalletStatus>()(
  Schema.Struct({
    walletId: WalletId,
    owner: Schema.String,
    network: Schema.String,
    backend: Schema.String,
    epoch: int(1),
    state: Status,
    pausedBecause: Schema.NullOr(Schema.String),
    openRows: int(0),
    receipts: int(0),
    schemaVersion: int(0),
    payer: Schema.NullOr(Payer),
    lowBalance: Schema.NullOr(Schema.Boolean),
    spent: Spent,
  }),
);

const version = int(1);
export const PolicyInForce = Schema.Struct({ policy: PolicyShape, policyVersion: version });
export const Budget = named(
  "Budget",
  held<BudgetView>()(
    Schema.Struct({ budget: text(BUDGET_NAME), policy: PolicyShape, policyVersion: version, disabled: Schema.Boolean, spent: Spent }),
  ),
);
export const Budgets = Schema.Struct({ budgets: list(Budget) });
export const OwnWallet = Schema.Struct({ walletId: WalletId, state: Schema.String, budget: Budget, payer: Schema.NullOr(Payer) });

const agentKey = {
  keyId: Schema.String,
  budget: Schema.String,
  label: Schema.String,
  createdAt: Instant,
  revokedAt: Schema.NullOr(Instant),
};
const secret = Schema.String.annotate({ description: "the key itself; shown once" });
export const AgentKey = named("AgentKey", held<KeyView>()(Schema.Struct(agentKey)));
export const AgentKeys = Schema.Struct({ keys: list(AgentKey) });
export const NewAgentKey = Schema.Struct({ ...agentKey, key: secret });
const personKey = { keyId: Schema.String, label: Schema.String, createdAt: Instant, revokedAt: Schema.NullOr(Instant) };
const PersonKey = named("PersonKey", Schema.Struct(personKey));
export const PersonKeys = Schema.Struct({ keys: list(PersonKey) });
export const NewPersonKey = Schema.Struct({ ...personKey, key: secret });
export const RevokedKey = Schema.Struct({ keyId: Schema.String, revokedAt: Instant });

export const Switches = Schema.Struct({ version: int(0), globalPause: Schema.Boolean, ownerKillSwitch: Schema.Boolean });

const purchase = {
  purchaseId: PurchaseId,
  code: Schema.NullOr(CodeName),
  budget: Schema.String,
  method: Schema.String,
  origin: Schema.String,
  path: Schema.String,
  amountMsat: Schema.NullOr(Msat),
  feeMsat: Schema.NullOr(Msat),
  paymentHash: Schema.NullOr(Hash),
  openedAt: Instant,
  dueAt: Schema.NullOr(Instant),
  awaits: Schema.NullOr(Schema.String),
  receiptIds: list(Schema.String),
};
// In the type the state is a string, since it crosses RPC between versions; what this version answers is one of these.
export const Purchase = named(
  "Purchase",
  Schema.Struct({ ...held<Omit<PurchaseView, "state">>()(Schema.Struct(purchase)).fields, state: Schema.Literals(STATES) }),
);
export const Purchases = Schema.Struct({ purchases: list(Purchase), next: Schema.NullOr(int(1)) });

/** A record, so that a kind that is missing here does not compile. */
const KINDS: Readonly<Record<ReceiptKind, true>> = {
  paid: true,
  cached: true,
  free: true,
  denied: true,
  failed: true,
  unknown: true,
  unfulfilled: true,
  fulfilled: true,
  late_settlement: true,
  granted: true,
  rejected: true,
  expired: true,
  withdrawn: true,
  resolved: true,
  written_off: true,
};
export const ReceiptShape = named(
  "Receipt",
  held<Receipt>()(
    Schema.Struct({
      version: Schema.Literals([1]),
      kind: Schema.Literals(Object.keys(KINDS) as [ReceiptKind, ...ReceiptKind[]]),
      sequence: int(1),
      purchaseId: Schema.String,
      walletId: Schema.String,
      owner: Schema.String,
      budget: Schema.String,
      subject: Schema.NullOr(Schema.String),
      at: Schema.String.annotate({ format: "date-time" }),
      method: Schema.String,
      origin: Schema.String,
      path: Schema.String,
      code: Schema.NullOr(CodeName),
      amountMsat: Schema.NullOr(Msat),
      feeMsat: Schema.NullOr(Msat),
      maxFeeMsat: Schema.NullOr(Msat),
      paymentHash: Schema.NullOr(Hash),
      credentialId: Schema.NullOr(Schema.String),
      binding: Schema.NullOr(Schema.Literals(["verified", "unverified"])),
      evidence: Schema.NullOr(Schema.String),
      backend: Schema.String,
      epoch: int(1),
      policyVersion: int(1),
    }),
  ),
);
export const ReceiptLine = named(
  "ReceiptRecord",
  held<ReceiptRecord>()(Schema.Struct({ receiptId: text(/^rcpt_[0-9a-f]{64}$/u), chain: Hash, receipt: ReceiptShape })),
);
export const Receipts = Schema.Struct({ receipts: list(ReceiptLine), next: Schema.NullOr(int(1)) });

const QuoteShape = named(
  "Quote",
  held<Quote>()(
    Schema.Struct({
      origin: Schema.String,
      amountMsat: Msat,
      maxFeeMsat: Msat,
      expiresAt: Instant,
      scope: Schema.String,
      binding: Schema.Literals(["verified", "unverified"]),
      description: Schema.NullOr(Schema.String),
      allowed: Schema.Boolean,
      code: Schema.NullOr(CodeName),
    }),
  ),
);
export const QuoteAnswer = Schema.Union([
  Schema.Struct({ purchaseId: PurchaseId, paymentNeeded: Schema.Literals([true]), quote: QuoteShape }),
  Schema.Struct({ purchaseId: PurchaseId, paymentNeeded: Schema.Literals([false]), because: Schema.Literals(["free", "cached"]) }),
]);

export const Approval = named(
  "Approval",
  held<ApprovalView>()(
    Schema.Struct({
      approvalId: Schema.String,
      state: Schema.Literals(APPROVAL_STATES),
      budget: Schema.String,
      subject: Schema.NullOr(Schema.String),
      method: Schema.String,
      origin: Schema.String,
      path: Schema.String,
      amountMsat: Msat,
      maxMsat: Msat,
      because: Schema.Literals(["amount", "host"]),
      description: Schema.NullOr(Schema.String).annotate({ description: "the seller's own words: untrusted" }),
      askedAt: Instant,
      expiresAt: Instant,
      decidedAt: Schema.NullOr(Instant),
      decidedBy: Schema.NullOr(Schema.String),
      usedBy: Schema.NullOr(PurchaseId),
    }),
  ),
);
export const Approvals = Schema.Struct({
  approvals: list(Approval),
  next: Schema.NullOr(Schema.String).annotate({ description: "what to send as `before` for older ones" }),
});
export const ApprovalUrl = Schema.Struct({
  url: Schema.String.annotate({ description: "a capability, for people only" }),
  expiresAt: Instant,
});

export const Funding = held<FundingInvoice>()(
  Schema.Struct({ bolt11: Schema.String, paymentHash: Hash, amountMsat: Msat, expiresAt: Instant }),
);

const custody = {
  walletId: WalletId,
  backend: Schema.String,
  epoch: int(1),
  recordKeys: list(Schema.Struct({ id: int(1), kekVersion: Schema.String, state: Schema.Literals(["current", "former"]) })),
  resealing: Schema.Boolean,
  unreadableRows: int(0),
};
export const Custody = held<WalletCustodyView>()(Schema.Struct(custody));
export const WholeCustody = held<OneCustody>()(
  Schema.Struct({
    ...custody,
    epochOfSpender: int(1),
    envelope: Schema.Struct({ kekVersion: Schema.String, createdAt: Instant, backedUpAt: Schema.NullOr(Instant) }),
    kek: Schema.Struct({ current: Schema.String, configured: list(Schema.String) }),
    inUse: list(Schema.String),
  }),
);
export const KekVersions = held<KekUse>()(
  Schema.Struct({
    current: Schema.String,
    configured: list(Schema.String),
    inUse: Schema.Record(Schema.String, Schema.Struct({ envelopes: int(0), recordKeys: int(0) })),
    unused: list(Schema.String),
    unknown: list(Schema.String),
    next: Schema.NullOr(Schema.String),
  }),
);

const ReplayedShape = named(
  "Replayed",
  held<Replayed>()(Schema.Struct({ receiptId: Schema.String, purchaseId: Schema.String, code: CodeName, detail: Schema.String })),
);
export const DryRun = Schema.Struct({
  policy: PolicyShape,
  budget: Schema.NullOr(Schema.String),
  receipts: Schema.Struct({ first: Schema.NullOr(int(1)), last: Schema.NullOr(int(1)), whole: Schema.Boolean }),
  allowed: int(0),
  spent: Schema.Struct({ madeMsat: Msat, allowedMsat: Msat }),
  refused: list(ReplayedShape),
  refusedCount: int(0),
  asked: list(ReplayedShape),
  askedCount: int(0),
  doubtful: list(ReplayedShape),
  doubtfulCount: int(0),
  unknowable: list(Schema.String),
});

export const Health = Schema.Struct({
  ok: Schema.Literals([true]),
  version: Schema.String,
  configHash: Hash,
  compatibilityDate: Schema.String,
  network: Network,
  backend: Backend,
  topology: Schema.Literals(["A", "B"]),
});

export const Problem = named(
  "Problem",
  Schema.Struct({
    type: Schema.String,
    title: Schema.String,
    status: int(400),
    code: CodeName,
    detail: Schema.String,
    retryable: Schema.Boolean.annotate({ description: "the same request, sent again unchanged, may succeed, and is never paid twice" }),
    fix: Schema.String,
    purchaseId: may(PurchaseId),
    receiptId: may(Schema.NullOr(Schema.String)),
    quote: may(QuoteShape),
    approvalId: may(Schema.String),
    approvalUrl: may(Schema.String.annotate({ description: "a page for people that explains how to approve; it decides nothing" })),
    requestId: may(Schema.String),
  }),
);
