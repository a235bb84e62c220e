/**
 * Step 3, block one of invariant 1: read the challenge, look for what is already paid or under way, decide, and reserve with
 * token and invoice sealed, all in one transaction. The origin comes from our own row, never from an argument.
 */
import { decide, type Decision, type SpendRequest } from "../../lightning/decide.ts";
import { ERRORS } from "../../lightning/errors.ts";
import { add, type Msat } from "../../lightning/msat.ts";
import { readOffers, type Offer, type Offers } from "../../lightning/offers.ts";
import type { Policy } from "../../lightning/policy.ts";
import { isOpenPayment, isPaid, type State } from "../../lightning/purchase.ts";
import type { Network } from "../../lightning/bolt11.ts";
import type { PayAnswer, PayRequest, Quote, QuoteAnswer, Refusal } from "../../lightning/wallet-api.ts";
import { APPROVAL_MS, ask, grantFor, pendingFor, useGrant } from "./approvals.ts";
import type { CredentialRow } from "./credentials.ts";
import { refused } from "./deliver.ts";
import { follow, landed, type Follow } from "./follow.ts";
import type { PurchaseRow } from "./journal.ts";
import { mayShare, pathScope, refusal } from "./open.ts";
import { sealSecret } from "./payment-secret.ts";
import { send } from "./send.ts";
import type { Vault } from "./vault.ts";

const UNFULFILLED = "an earlier payment for this origin and scope has not been fulfilled";
/** What a person is asked for, by the reason for which. */
const BECAUSE = { host: "this host is not on the allowlist", amount: "at or above the approval threshold" } as const;

interface Send {
  readonly kind: "send";
  readonly purchaseId: string;
  readonly bolt11: string;
}

export async function pay(vault: Vault, request: PayRequest): Promise<PayAnswer> {
  const notReady = await vault.ready();
  if (notReady !== null) return refusal(request.purchaseId, notReady === "not_found" ? "unauthorized" : notReady);
  const wallet = vault.wallet();
  if (wallet !== null) await vault.security.refresh(wallet.wallet_id);
  // "Disable now" may have taken the keys from memory while the control plane was asked.
  if ((await vault.ready()) !== null) return refusal(request.purchaseId, "envelope_unopenable");
  const step = vault.transact(() => payBlock(vault, request));
  if (step.kind === "follow") return follow(vault, step, request.waitMs);
  if (step.kind !== "send") return step;
  // The flight belongs to the object: it goes on when this caller has gone.
  void send(vault, step.purchaseId, step.bolt11);
  return follow(vault, { kind: "follow", purchaseId: step.purchaseId, leaderId: step.purchaseId }, request.waitMs);
}

/** As block one, and then stops: nothing is reserved, and the purchase expires as a quote. */
export async function quote(vault: Vault, request: PayRequest): Promise<QuoteAnswer> {
  const notReady = await vault.ready();
  if (notReady !== null) return refusal(request.purchaseId, notReady === "not_found" ? "unauthorized" : notReady);
  const wallet = vault.wallet();
  if (wallet !== null) await vault.security.refresh(wallet.wallet_id);
  if ((await vault.ready()) !== null) return refusal(request.purchaseId, "envelope_unopenable");
  return vault.transact((): QuoteAnswer => {
    const found = find(vault, request, "quoted");
    if (found.kind === "refused") return found;
    // Paid, or being paid: there is no price left to quote.
    if (found.kind !== "offer") return refusal(request.purchaseId, "invalid_request", "this purchase is past its quote");
    const { row, offer, scope, now } = found;
    const decided = decision(vault, row, offer, now);
    const closed = owing(vault, row, scope, now) === "closed";
    // Quoted before, and the reply was lost: the lease that runs is the first one's.
    if (row.state === "opened") vault.journal.move(row, "quote", vault.clock.now() + vault.timing.openLease);
    return {
      kind: "quote",
      purchaseId: row.id,
      quote: closed ? { ...decided.quote, allowed: false, code: "paid_unfulfilled" } : decided.quote,
    };
  });
}

function payBlock(vault: Vault, request: PayRequest): PayAnswer | Follow | Send {
  const found = find(vault, request);
  if (found.kind !== "offer") return found;
  const { row, offer, scope, now } = found;
  const { journal, credentials } = vault;
  const policies = vault.policiesOf(row);
  const once = vault.sellers.takesOnce(policies, row, scope);

  // Paid before and refused without ever serving: nothing more is paid for this origin and scope (invariant 6).
  if (credentials.refusedFor(row.origin, scope) !== null) return vault.refuse(row, "fail", "paid_unfulfilled", UNFULFILLED);
  const stored = credentials.forScope(row.origin, scope, now, request.refusedCredentialId);
  // After a refusal only one that was bought since the refused one is worth a try: another purchase has been through the same.
  const turnedAway = request.refusedCredentialId === null ? null : credentials.get(request.refusedCredentialId);
  if (
    stored !== null &&
    mayShare(vault, policies, row, stored) &&
    (turnedAway === null || turnedAway.scope !== scope || stored.created_at >= turnedAway.created_at)
  )
    return hand(vault, row, stored);
  // Where each request buys its own token, none waits for another's.
  const flight = once ? `${scope}#${row.id}` : scope;
  const leaderId = journal.flight(row.origin, flight);
  if (leaderId !== null) return { kind: "follow", purchaseId: row.id, leaderId };
  if (row.resume_of !== null) return vault.refuse(row, "fail", "credential_refused", "a resumed purchase pays nothing");
  if (row.request_key !== null) {
    const payer = journal.requestKey(row.budget, row.request_key)?.payer_id ?? null;
    if (payer !== null && payer !== row.id) {
      const paid = journal.purchase(payer);
      if (paid !== null && isOpenPayment(paid.state)) return { kind: "follow", purchaseId: row.id, leaderId: payer };
      // This request has paid, and the seller wants money again: it only ever uses that credential (invariant 2).
      if (paid !== null && isPaid(paid.state))
        return request.refusedCredentialId === null
          ? landed(vault, row.id, payer)
          : vault.refuse(row, "fail", "credential_refused", "this request has paid already, and the seller refuses what it bought");
    }
  }

  const before = journal.paymentByHash(offer.paymentHash);
  if (before !== null) {
    const credential = before.origin === row.origin && before.scope === scope ? credentials.ofPurchase(before.purchase_id) : null;
    const handed =
      credential === null || credential.state === "evicted" || credential.id === request.refusedCredentialId
        ? null
        : vault.hand(row, credential);
    if (handed !== null) return { kind: "credential", credential: handed, limits: vault.limitsFor(row) };
    return vault.refuse(row, "fail", "payment_hash_reused", "this wallet has met this invoice before");
  }

  const owed = owing(vault, row, scope, now);
  if (owed === "closed") return vault.refuse(row, "fail", "paid_unfulfilled", UNFULFILLED);
  if (owed !== "nothing") return hand(vault, row, owed);

  const { verdict, grantId, quote: quoted } = decision(vault, row, offer, now);
  if (verdict.kind === "deny") return vault.refuse(row, "deny", verdict.code, verdict.detail);
  if (verdict.kind === "ask") return question(vault, row, quoted, verdict, policies);
  const reserved = journal.move(
    journal.move(row, "quote", offer.expiresAt),
    "reserve",
    Math.min(now + vault.timing.reserveLease, offer.expiresAt),
  );
  if (grantId !== null) useGrant(vault, grantId, row.id);
  journal.reserve(
    reserved,
    {
      purchase_id: row.id,
      operation_id: uuid(vault.ports.random.bytes(16)),
      payment_hash: offer.paymentHash,
      budget: row.budget,
      subject: row.subject,
      kind: "purchase",
      host: row.host,
      port: row.port,
      origin: row.origin,
      scope,
      amount_msat: offer.amountMsat,
      charge_msat: verdict.chargeMsat,
      reserve_msat: verdict.maxFeeMsat,
      reserved_at: now,
      expires_at: offer.expiresAt,
      binding: offer.binding,
      valid_until: offer.validUntil,
      sealed: sealSecret(vault, row.id, { scheme: offer.scheme, token: offer.token, invoice: offer.invoice }),
    },
    flight,
  );
  return { kind: "send", purchaseId: row.id, bolt11: offer.invoice };
}

function hand(vault: Vault, row: PurchaseRow, stored: CredentialRow): PayAnswer {
  const credential = vault.hand(row, stored);
  return credential === null ? vault.unredeemable(row, stored) : { kind: "credential", credential, limits: vault.limitsFor(row) };
}

/**
 * What is owed at this origin and scope: while anything is, nothing more is paid there (invariant 6). What was sold and can still be used
 * is tried; where nothing can be, or the seller has refused one, only a delivery or its owner ends it.
 */
function owing(vault: Vault, row: PurchaseRow, scope: string, now: number): "nothing" | "closed" | CredentialRow {
  const owed = vault.journal.owed(row.origin, scope);
  if (owed.length === 0) return "nothing";
  if (vault.credentials.refusedFor(row.origin, scope) !== null) return "closed";
  for (const purchaseId of owed) {
    const credential = vault.credentials.ofPurchase(purchaseId);
    if (credential !== null && credential.state !== "evicted" && (credential.usable_until === null || credential.usable_until > now))
      return credential;
  }
  return "closed";
}

/** Policy wants a person's word. One question per request: whoever sends it again meanwhile is told of the same one. */
function question(
  vault: Vault,
  row: PurchaseRow,
  quoted: Quote,
  verdict: Extract<Decision, { kind: "ask" }>,
  policies: readonly Policy[],
): PayAnswer {
  const now = vault.clock.now();
  const detail = BECAUSE[verdict.because];
  const asked = pendingFor(vault, row, now);
  if (asked !== null) return { ...vault.refuse(row, "deny", "approval_required", detail), quote: quoted, approvalId: asked.id };
  const patience = policies.flatMap(({ approvalMs }) => approvalMs ?? []);
  const until = now + (patience.length === 0 ? APPROVAL_MS : Math.min(...patience));
  const waiting = vault.journal.move(vault.journal.move(row, "quote", until), "ask", until, "approval_required");
  const approvalId = ask(vault, waiting, {
    because: verdict.because,
    amountMsat: quoted.amountMsat,
    maxMsat: add(verdict.chargeMsat, verdict.maxFeeMsat),
    description: quoted.description,
  });
  return {
    kind: "refused",
    code: "approval_required",
    detail,
    purchaseId: row.id,
    receiptId: vault.receipt("denied", waiting, "approval_required"),
    quote: quoted,
    approvalId,
  };
}

type Found =
  | PayAnswer
  | Follow
  | { readonly kind: "offer"; readonly row: PurchaseRow; readonly offer: Offer; readonly scope: string; readonly now: number };

/**
 * The caller's own purchase, ready for a payment, and the offer we would take; or what there is to say instead.
 * @param ready the state besides `opened` in which it is still to be decided
 */
function find(vault: Vault, request: PayRequest, ready: State = "opened"): Found {
  const caller = vault.config.authenticate(request.auth);
  if (!caller.ok) return refusal(request.purchaseId, caller.code);
  const row = vault.journal.purchase(request.purchaseId);
  if (row === null) return refusal(request.purchaseId, "not_found", "no such purchase: open it first");
  if (row.budget !== caller.principal.budget || row.caller !== caller.principal.caller) return refusal(request.purchaseId, "forbidden");
  if (isOpenPayment(row.state)) return { kind: "follow", purchaseId: row.id, leaderId: row.id };
  const { refusedCredentialId } = request;
  const wasHanded = refusedCredentialId !== null && row.credential_id === refusedCredentialId;
  // Said already, and the reply was lost: the same word again.
  if (row.state !== "opened" && row.state !== ready && !(wasHanded && isPaid(row.state))) {
    const asked = row.code === "approval_required" ? askedBefore(vault, row, request.challenge) : null;
    if (asked !== null) return asked;
    const word = landed(vault, row.id, row.id);
    return word.kind === "pending" ? { kind: "follow", purchaseId: row.id, leaderId: row.id } : word;
  }
  if (refusedCredentialId !== null && !wasHanded) {
    const since = row.credential_id === null ? null : vault.credentials.get(row.credential_id);
    const credential = since === null ? null : vault.hand(row, since);
    return credential === null
      ? refusal(row.id, "invalid_request", "this purchase was not given that credential")
      : { kind: "credential", credential, limits: vault.limitsFor(row) };
  }
  if (refusedCredentialId !== null) {
    const word = refused(vault, row, refusedCredentialId);
    if (word !== null) return word;
  }
  const now = vault.clock.now();
  const policies = vault.policiesOf(row);
  const read = offers(vault, row, request.challenge);
  if (read.choice === null) {
    const { code, detail } = read.error ?? { code: "challenge_missing" as const, detail: "nothing to pay" };
    return vault.refuse(row, ERRORS[code].outcome === "denied" ? "deny" : "fail", code, detail);
  }
  const offer = read.choice;
  const scope = offer.services === null ? pathScope(row.path, policies[0]?.pathPrefixes ?? []) : `services:${offer.services}`;
  return { kind: "offer", row, offer, scope, now };
}

function offers(vault: Vault, row: PurchaseRow, challenge: string): Offers {
  const policies = vault.policiesOf(row);
  const opaque = policies.length > 0 && policies.every((policy) => policy.opaqueTokens === "allow");
  return readOffers(challenge, { network: (vault.wallet()?.network ?? null) as Network | null, now: vault.clock.now(), opaque });
}

/** Still unanswered. Without the question's name whoever asked could not tell a person what to decide about. */
function askedBefore(vault: Vault, row: PurchaseRow, challenge: string): Refusal | null {
  const asked = pendingFor(vault, row, vault.clock.now());
  if (asked === null) return null;
  const { choice } = offers(vault, row, challenge);
  return {
    ...refusal(row.id, "approval_required", BECAUSE[asked.because]),
    receiptId: vault.receipts.of(row.id).at(-1) ?? null,
    ...(choice === null ? {} : { quote: decision(vault, row, choice, vault.clock.now()).quote }),
    approvalId: asked.id,
  };
}

interface Decided {
  readonly verdict: Decision;
  readonly quote: Quote;
  /** The grant that the verdict needs; null when policy alone allows it. */
  readonly grantId: string | null;
}

/** @param now the reservation's own instant: a clock may pass an hour's end within a turn, and what one window allows must be booked in it */
function decision(vault: Vault, row: PurchaseRow, offer: Offer, now: number): Decided {
  const wallet = vault.wallet();
  const budget = vault.config.budgetRow(row.budget);
  const policies = wallet === null || budget === null ? null : vault.policies(wallet, budget);
  let verdict: Decision = { kind: "deny", code: "policy_unreadable", detail: "the wallet's or the budget's policy is not valid" };
  let grantId: string | null = null;
  if (wallet !== null && policies !== null) {
    const layers = vault.layers(policies, row.budget);
    const switches = vault.switches(wallet, budget);
    const caps = row.subject === null ? undefined : policies[1].perSubject;
    const request: SpendRequest = {
      host: row.host,
      port: row.port,
      amountMsat: offer.amountMsat,
      network: offer.network,
      expiresAt: offer.expiresAt,
      binding: offer.binding,
      callLimitMsat: row.max_msat as Msat | null,
      granularity: vault.ports.payer.granularity,
      subject: caps === undefined || row.subject === null ? null : { caps, ledger: vault.ledger.subject(row.budget, row.subject) },
    };
    verdict = decide(layers, switches, request, now);
    const grant = verdict.kind === "ask" ? grantFor(vault, row, now) : null;
    if (grant !== null) {
      verdict = decide(layers, switches, { ...request, grantedMsat: grant.maxMsat }, now);
      if (verdict.kind === "allow") grantId = grant.id;
    }
  }
  const scope = offer.services === null ? pathScope(row.path, policies?.[0].pathPrefixes ?? []) : `services:${offer.services}`;
  return {
    verdict,
    grantId,
    quote: {
      origin: row.origin,
      amountMsat: offer.amountMsat,
      maxFeeMsat: verdict.kind === "deny" ? (0 as Msat) : verdict.maxFeeMsat,
      expiresAt: offer.expiresAt,
      scope,
      binding: offer.binding,
      description: offer.description,
      allowed: verdict.kind === "allow",
      code: verdict.kind === "deny" ? verdict.code : verdict.kind === "ask" ? "approval_required" : null,
    },
  };
}

/** RFC 9562 version 4, from the port's randomness. */
export function uuid(bytes: Uint8Array): string {
  const b = Uint8Array.from(bytes);
  b[6] = ((b[6] ?? 0) & 0x0f) | 0x40;
  b[8] = ((b[8] ?? 0) & 0x3f) | 0x80;
  const hex = Array.from(b, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
}
