/** Step 1: who asks for what; is there a stored credential; may the host be visited at all. One transaction, nothing awaited in it. */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { checkHosts } from "../../lightning/decide.ts";
import { isOpenPayment, isPaid } from "../../lightning/purchase.ts";
import type { Code } from "../../lightning/errors.ts";
import type { Policy } from "../../lightning/policy.ts";
import type { OpenAnswer, OpenRequest, Refusal } from "../../lightning/wallet-api.ts";
import type { CredentialRow } from "./credentials.ts";
import type { PurchaseRow } from "./journal.ts";
import { follow, type Follow } from "./follow.ts";
import type { Vault } from "./vault.ts";

export async function open(vault: Vault, request: OpenRequest): Promise<OpenAnswer> {
  const notReady = await vault.ready();
  // Without the record key nothing can be sealed, so nothing may be begun (invariant 10). A wallet that is not there is nobody's.
  if (notReady !== null) return refusal(request.purchaseId, notReady === "not_found" ? "unauthorized" : notReady);
  await vault.turnstile.pass();
  // "Disable now" may have taken the keys from memory in the turn that was waited for; what is paid is handed out all the same.
  if ((await vault.ready()) !== null) return refusal(request.purchaseId, "envelope_unopenable");
  const step = vault.transact(() => openBlock(vault, request));
  if (step.kind !== "follow") return step;
  const answer = await follow(vault, step, request.waitMs);
  return answer.kind === "credential"
    ? { kind: "fetch", purchaseId: request.purchaseId, credential: answer.credential, limits: answer.limits }
    : answer;
}

function openBlock(vault: Vault, request: OpenRequest): OpenAnswer | Follow {
  const { journal, config } = vault;
  const caller = config.authenticate(request.auth);
  if (!caller.ok) return refusal(request.purchaseId, caller.code);
  const { principal } = caller;
  const requestHash = bytesToHex(sha256(utf8ToBytes(`${request.method}\n${request.url}\n${request.bodySha256 ?? "-"}`)));

  const known = journal.purchase(request.purchaseId);
  if (known !== null) {
    if (known.budget !== principal.budget || known.caller !== principal.caller) return refusal(request.purchaseId, "forbidden");
    if (known.request_hash !== requestHash) return refusal(request.purchaseId, "idempotency_conflict");
    return again(vault, known);
  }

  const now = vault.clock.now();
  const url = new URL(request.url);
  const port = url.port === "" ? (url.protocol === "https:" ? 443 : 80) : Number(url.port);
  const row = journal.open({
    id: request.purchaseId,
    budget: principal.budget,
    caller: principal.caller,
    subject: request.subject,
    method: request.method,
    origin: `${url.protocol}//${url.host}`,
    host: url.hostname,
    port,
    path: url.pathname,
    request_hash: requestHash,
    request_key: request.idempotencyKey,
    max_msat: request.maxMsat,
    credential_id: null,
    opened_at: now,
    due_at: vault.leaseEnd({ budget: principal.budget, host: url.hostname, port }, vault.timing.openLease),
    resume_of: request.resume ?? null,
  });
  const budget = config.budgetRow(principal.budget);
  const wallet = config.wallet();
  const policies = budget === null || wallet === null ? null : vault.policies(wallet, budget);
  if (policies === null || wallet === null || budget === null)
    return vault.refuse(row, "deny", "policy_unreadable", "the wallet's or the budget's policy is not valid");

  const verdict = checkHosts(
    policies.map((policy) => policy.hosts),
    row.host,
    row.port,
  );
  if (verdict === "host_blocked" || verdict === "host_not_allowlisted")
    return vault.refuse(row, "deny", verdict, `${row.host}:${row.port}`);
  if (row.resume_of !== null) return resume(vault, row, row.resume_of);

  if (request.idempotencyKey !== null) {
    const held = journal.requestKey(principal.budget, request.idempotencyKey);
    if (held !== null && held.request_hash !== requestHash)
      return vault.refuse(row, "deny", "idempotency_conflict", "this key was used for another method, URL or body");
    if (held === null) journal.addRequestKey(principal.budget, request.idempotencyKey, requestHash);
    const payer = held?.payer_id == null ? null : journal.purchase(held.payer_id);
    // A request that has paid only ever uses that credential; one that is paying waits for it.
    if (payer !== null && isPaid(payer.state)) return withCredential(vault, row, vault.credentials.ofPurchase(payer.id));
    if (payer !== null && isOpenPayment(payer.state)) return { kind: "follow", purchaseId: row.id, leaderId: payer.id };
  }

  const stored = vault.credentials.forPath(row.origin, row.path, now) ?? byPrefix(vault, row, policies[0].pathPrefixes ?? [], now);
  if (stored !== null && mayShare(vault, policies, row, stored)) return withCredential(vault, row, stored);
  const owed = vault.credentials.owedAt(row.origin, row.path, now);
  if (owed !== null) return withCredential(vault, row, owed);
  // Delivery of what is paid goes on in a stopped wallet; anything that might cost money does not begin.
  if (wallet.state === "disabled") return vault.refuse(row, "deny", "wallet_disabled", "this wallet is disabled");
  if (wallet.state === "paused") return vault.refuse(row, "deny", "wallet_paused", `paused: ${wallet.paused_because ?? "by an operator"}`);
  return { kind: "fetch", purchaseId: row.id, credential: null, limits: vault.limitsFor(row) };
}

/** The same request sent again for what has been paid: it waits for a payment under way, uses its credential, and never pays. */
function resume(vault: Vault, row: PurchaseRow, of: string): OpenAnswer | Follow {
  const before = vault.journal.purchase(of);
  if (before === null || before.budget !== row.budget) return vault.refuse(row, "deny", "not_found", "there is no such purchase to resume");
  if (before.request_hash !== row.request_hash)
    return vault.refuse(row, "deny", "idempotency_conflict", "the purchase to resume was for another method, URL or body");
  if (isOpenPayment(before.state)) return { kind: "follow", purchaseId: row.id, leaderId: before.id };
  if (isPaid(before.state)) return withCredential(vault, row, vault.credentials.ofPurchase(before.id));
  return vault.refuse(row, "fail", before.code ?? "purchase_cancelled", `the purchase to resume ended ${before.state}`);
}

/** A seller whose tokens work once: only one that was paid for and never delivered may still be used, by whoever comes for the same. */
export function mayShare(vault: Vault, policies: readonly Policy[], row: PurchaseRow, credential: CredentialRow): boolean {
  const once = vault.sellers.takesOnce(policies, row, credential.scope);
  if (!once && credential.state !== "fresh") return true;
  const buyer = vault.journal.purchase(credential.purchase_id);
  // Another budget's policy may know what this one's does not: its buyer is on his way to the seller, and it would be spent before him.
  if (!once && (buyer === null || !vault.sellers.takesOnce(vault.policiesOf(buyer), row, credential.scope))) return true;
  return credential.state !== "served" && buyer?.state === "paid_unfulfilled";
}

/** The same purchase id again: after a reset or a lost reply. */
function again(vault: Vault, row: PurchaseRow): OpenAnswer | Follow {
  if (isOpenPayment(row.state)) return { kind: "follow", purchaseId: row.id, leaderId: row.id };
  if (isPaid(row.state)) return withCredential(vault, row, vault.credentials.ofPurchase(row.id));
  if (row.state === "opened" || row.state === "served_free" || row.state === "served_cached") {
    const credential = row.credential_id === null ? null : vault.credentials.get(row.credential_id);
    return credential === null
      ? { kind: "fetch", purchaseId: row.id, credential: null, limits: vault.limitsFor(row) }
      : withCredential(vault, row, credential);
  }
  return { ...refusal(row.id, row.code ?? "purchase_cancelled"), receiptId: vault.receipts.of(row.id).at(-1) ?? null };
}

function withCredential(vault: Vault, row: PurchaseRow, stored: CredentialRow | null): OpenAnswer {
  const credential = stored === null ? null : vault.hand(row, stored);
  // A credential that is there and cannot be opened must not be bought a second time.
  if (credential === null) return vault.unredeemable(row, stored);
  return { kind: "fetch", purchaseId: row.id, credential, limits: vault.limitsFor(row) };
}

function byPrefix(vault: Vault, row: PurchaseRow, prefixes: readonly string[], now: number): CredentialRow | null {
  return prefixes.length === 0 ? null : vault.credentials.forScope(row.origin, pathScope(row.path, prefixes), now, null);
}

/** The scope of a token without a services caveat: the longest prefix that policy names, else the exact path. */
export function pathScope(path: string, prefixes: readonly string[]): string {
  let best = "";
  for (const prefix of prefixes) {
    const whole = prefix.endsWith("/") ? prefix : `${prefix}/`;
    if ((path === prefix || path.startsWith(whole)) && prefix.length > best.length) best = prefix;
  }
  return best === "" ? `path:${path}` : `prefix:${best}`;
}

export function refusal(purchaseId: string, code: Code, detail = code as string): Refusal {
  return { kind: "refused", code, detail, purchaseId, receiptId: null };
}
