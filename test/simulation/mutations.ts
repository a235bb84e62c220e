/**
 * Bugs planted on purpose, as edits of the product's own source while it is being loaded: the product carries no switch for
 * them. Each names the invariant it breaks; the simulation must find it.
 */
import type { Fault } from "./faults.ts";

export interface Edit {
  /** Must stand in the file exactly once, however it is broken into lines: a mutation that no longer applies fails its test. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutation extends Edit {
  readonly name: string;
  readonly invariant: number;
  readonly file: string;
  /** Where one edit is only half of what must change. */
  readonly also?: Edit;
  /** The faults that bring it about, where it is so rare that a run with three quarters of all would need too many. */
  readonly faults?: readonly Fault[];
}

const wallet = (file: string): string => `durable-objects/wallet/${file}`;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "pays before the journal says so",
    invariant: 1,
    file: wallet("send.ts"),
    find: "const order = vault.transact(() => sendBlock(vault, purchaseId, bolt11));",
    replace: `let order: PaymentOrder | null = null;
      try { vault.ports.sql.transaction(() => { order = sendBlock(vault, purchaseId, bolt11); throw new Error("written afterwards"); }); } catch {}
      queueMicrotask(() => vault.transact(() => sendBlock(vault, purchaseId, bolt11)));`,
  },
  {
    name: "nobody waits for the payer to be ready",
    invariant: 1,
    file: wallet("send.ts"),
    find: "const unready = await prepare(vault, purchaseId, bolt11);",
    replace: "void prepare(vault, purchaseId, bolt11); const unready = null as Code | null;",
  },
  {
    name: "an invoice that has expired meanwhile is paid",
    invariant: 1,
    faults: ["badInvoices", "unready", "hang", "late"],
    file: wallet("send.ts"),
    find: "if (payment.expires_at <= now) {",
    replace: "if (payment.expires_at <= 0) {",
  },
  {
    name: "the payer is given as many orders at once as there are",
    invariant: 1,
    file: wallet("flights.ts"),
    find: "if (this.#free > 0) this.#free--;",
    replace: "if (this.#free > -1000) this.#free--;",
  },
  {
    name: "asks by paying again",
    invariant: 2,
    file: wallet("alarm.ts"),
    find: "vault.ports.payer.lookup(operation)",
    replace:
      'vault.ports.payer.pay({ walletId: wallet.wallet_id, epoch: wallet.epoch, operationId: `${payment.operation_id}-${asked}`, bolt11: "", paymentHash: payment.payment_hash, amountMsat: payment.amount_msat as never, maxFeeMsat: payment.reserve_msat as never, deadline: asked + 30_000 })',
  },
  {
    name: "what is stuck is paid anew",
    invariant: 2,
    faults: ["stuck"],
    file: wallet("resume.ts"),
    find: "await hear(vault, purchaseId, order, payer.resume(order));",
    replace: "await hear(vault, purchaseId, order, payer.pay({ ...order, operationId: `${order.operationId}-again` }));",
  },
  {
    name: "a request key forgets that it has paid",
    invariant: 2,
    file: wallet("journal.ts"),
    find: 'if (row.request_key !== null) this.#sql.rows("UPDATE request_key SET payer_id = ? WHERE budget = ? AND key = ?", row.id, row.budget, row.request_key);\n    return settled.length > 0;',
    replace:
      'if (row.request_key !== null) this.#sql.rows("UPDATE request_key SET payer_id = NULL WHERE budget = ? AND key = ?", row.budget, row.request_key);\n    return settled.length > 0;',
  },
  {
    name: "a resumed purchase may pay",
    invariant: 2,
    file: wallet("pay.ts"),
    find: 'if (row.resume_of !== null) return vault.refuse(row, "fail", "credential_refused", "a resumed purchase pays nothing");',
    replace: "",
  },
  {
    name: "a lost answer is a reason to buy again",
    invariant: 2,
    file: "worker/flow.ts",
    find: 'if (leg.kind !== "moved") return arrive(moves, leg);',
    replace: `if (leg.kind === "problem" && leg.code === "payment_unknown" && next === call) {
      next = { ...next };
      continue;
    }
    if (leg.kind !== "moved") return arrive(moves, leg);`,
  },
  {
    name: "open payments are left out of the books",
    invariant: 3,
    file: wallet("ledger.ts"),
    find: "openMsat: total(open.filter((row) => isOf(holder, row))),",
    replace: "openMsat: total([]),",
  },
  {
    name: "a payment is booked without its fee reserve while it is open",
    invariant: 3,
    file: wallet("ledger.ts"),
    find: "host, port, charge_msat + reserve_msat AS total FROM payment WHERE state = 'open'",
    replace: "host, port, charge_msat AS total FROM payment WHERE state = 'open'",
  },
  {
    name: "an end user's caps are held against nobody's books",
    invariant: 3,
    file: wallet("pay.ts"),
    find: "vault.ledger.subject(row.budget, row.subject)",
    replace: 'vault.ledger.subject(row.budget, "nobody")',
  },
  {
    name: "a day is an hour",
    invariant: 3,
    file: "lightning/decide.ts",
    find: "now - (now % (24 * HOUR))",
    replace: "now - (now % HOUR)",
  },
  {
    name: "what one host may have is not looked at",
    invariant: 3,
    file: "lightning/decide.ts",
    find: "if (!matchesHost(caps.host, request.host, request.port)) continue;",
    replace: "continue;",
  },
  {
    name: "what was spent at a host is not booked there",
    invariant: 3,
    file: wallet("ledger.ts"),
    find: "owners.flatMap((owner) => [owner, `${owner}@${host}:${port}`])",
    replace: "owners",
  },
  {
    name: "a fee above its reserve stops nobody",
    invariant: 3,
    file: wallet("send.ts"),
    find: 'if (feeMsat > payment.reserve_msat) vault.config.pause("fee_above_reserve");',
    replace: "",
  },
  {
    name: "the journal's time is whatever the host says",
    invariant: 3,
    file: wallet("clock.ts"),
    find: "this.#last = Math.max(this.#last, this.#now());",
    replace: "this.#last = this.#now();",
  },
  {
    name: "a timeout is a failure",
    invariant: 4,
    file: wallet("send.ts"),
    find: 'timer.done.then((): PaymentOutcome => ({ kind: "unknown", reason: "deadline" }))',
    replace: 'timer.done.then((): PaymentOutcome => ({ kind: "failed", code: "payment_failed", definite: true }))',
  },
  {
    name: "never seen is a failure at once",
    invariant: 4,
    file: wallet("send.ts"),
    find: "payment.deadline !== null && looked >= payment.deadline + vault.timing.grace",
    replace: "payment.deadline !== null",
  },
  {
    name: "never seen is judged by when the answer came",
    invariant: 4,
    faults: ["lateAnswer", "payerError", "lostCall"],
    file: wallet("send.ts"),
    find: "const looked = Math.min(asked, outcome.asOf ?? asked);",
    replace: "const looked = asked + vault.timing.payDeadline;",
  },
  {
    name: "never seen is judged by the object's own clock",
    invariant: 4,
    faults: ["clockJumps", "payerError", "lateAnswer"],
    file: wallet("send.ts"),
    find: "const looked = Math.min(asked, outcome.asOf ?? asked);",
    replace: "const looked = asked;",
  },
  {
    name: "no fence is as good as one",
    invariant: 4,
    file: wallet("alarm.ts"),
    find: 'return word === "fenced";',
    replace: 'return word === "fenced" || word === "cannot_fence";',
  },
  {
    name: "what settles late is booked and goes on",
    invariant: 4,
    faults: ["rogue", "late", "lateAnswer"],
    file: wallet("send.ts"),
    find: 'if (late) vault.config.pause("late_settlement");',
    replace: "",
  },
  {
    name: "the cron is not told that an order has left",
    invariant: 4,
    file: wallet("send.ts"),
    find: "journal.setDeadline(purchaseId, deadline);\n  // From here on the cron must know of this row, whatever becomes of the alarm.\n  vault.outboxSoon();",
    replace: "journal.setDeadline(purchaseId, deadline);",
  },
  {
    name: "the preimage is taken on trust",
    invariant: 5,
    file: wallet("send.ts"),
    find: "/^[0-9a-f]{64}$/u.test(preimage) && bytesToHex(sha256(hexToBytes(preimage))) === paymentHash",
    replace: '/^[0-9a-f]{64}$/u.test(preimage) && paymentHash !== ""',
  },
  {
    name: "the credential is stored a moment after the payment",
    invariant: 6,
    file: wallet("send.ts"),
    find: "  vault.credentials.store(vault.key(), vault.nonce(), {",
    replace:
      "  const store = vault.credentials.store.bind(vault.credentials);\n  void vault.ports.clock.timer(1).done.then(() => store(vault.key(), vault.nonce(), {",
    also: { find: "secret: { scheme, token, preimage },\n  }, now);", replace: "secret: { scheme, token, preimage },\n  }, now));" },
  },
  {
    name: "a credential that never served is bought anew",
    invariant: 6,
    file: wallet("deliver.ts"),
    find: 'if (credential.state === "fresh" || credential.state === "refused") {',
    replace:
      'if (credential.state === "fresh" && row.state === "opened") { credentials.evict(credentialId); return null; }\n  if (credential.state === "fresh" || credential.state === "refused") {',
  },
  {
    name: "an error page is a delivery",
    invariant: 6,
    file: wallet("deliver.ts"),
    find: "const good = status >= 200 && status < 300;",
    replace: "const good = status >= 200 && status < 600;",
  },
  {
    name: "a POST without a key is sent again after it has paid",
    invariant: 6,
    file: "worker/redeem.ts",
    find: "SAFE.has(run.call.method) || run.call.idempotencyKey !== null ? PAUSES_MS : []",
    replace: "PAUSES_MS",
  },
  {
    name: "what was bought from one seller is shown to whoever presents its invoice",
    invariant: 6,
    faults: ["badInvoices"],
    file: wallet("pay.ts"),
    find: "before.origin === row.origin && before.scope === scope ? credentials",
    replace: 'before.origin !== "" ? credentials',
  },
  {
    name: "the caller's limit leaves out the fee",
    invariant: 7,
    file: "lightning/decide.ts",
    find: "request.callLimitMsat !== null && total > request.callLimitMsat",
    replace: "request.callLimitMsat !== null && charge > request.callLimitMsat",
  },
  {
    name: "what a subject may pay at once is not looked at",
    invariant: 7,
    file: "lightning/decide.ts",
    find: 'if (caps.perPaymentMsat !== undefined && total > caps.perPaymentMsat) return deny("subject_cap_exceeded"',
    replace: 'if (caps.perPaymentMsat !== undefined && total < 0) return deny("subject_cap_exceeded"',
  },
  {
    name: "a macaroon of another payment will do",
    invariant: 8,
    file: "lightning/offers.ts",
    find: "if (macaroon.ok && macaroon.paymentHash !== paymentHash)",
    replace: 'if (macaroon.ok && macaroon.paymentHash === "")',
  },
  {
    name: "opaque tokens are paid for whatever policy says",
    invariant: 8,
    file: "lightning/decide.ts",
    find: 'if (request.binding === "unverified" && policy.opaqueTokens === "deny")',
    replace: 'if (request.binding === "unverified" && policy.opaqueTokens === undefined)',
  },
  {
    name: "a policy that cannot be read is the other one",
    invariant: 10,
    file: wallet("vault.ts"),
    find: "return walletPolicy === null || budgetPolicy === null ? null : [walletPolicy, budgetPolicy];",
    replace: "return budgetPolicy === null ? null : [walletPolicy ?? budgetPolicy, budgetPolicy];",
  },
  {
    name: "a key that does not unwrap is made up",
    invariant: 10,
    file: wallet("open-keys.ts"),
    find: ".catch(() => null);",
    replace: ".catch(() => null) ?? new Uint8Array(32);",
  },
  {
    name: "what was known of the switches is good for ever",
    invariant: 11,
    file: wallet("security.ts"),
    find: "known !== null && this.#life !== null && age >= 0 && age < this.#timing.securityLife ? known.state",
    replace: "known !== null && age >= 0 ? known.state",
  },
  {
    name: "an older word about the switches replaces a newer one",
    invariant: 11,
    faults: ["switches", "staleControl"],
    file: wallet("security.ts"),
    find: "if (this.#known !== null && answer.version < this.#known.state.version) return;",
    replace: "",
  },
  {
    name: "the switches are not looked at again before sending",
    invariant: 11,
    faults: ["switches", "hang", "late"],
    file: wallet("send.ts"),
    find: 'if (stopped !== null) {\n    release(vault, row, "cancel", stopped.code);',
    replace: 'if (stopped !== null && row.state !== "reserved") {\n    release(vault, row, "cancel", stopped.code);',
  },
  {
    name: "what is stuck is resumed whatever the switches say",
    invariant: 11,
    faults: ["stuck", "switches", "hang"],
    file: wallet("resume.ts"),
    find: "if (stop(vault, wallet, row, payment) !== null || payment.expires_at <= now) return null;",
    replace: "if (payment.expires_at <= now) return null;",
  },
  {
    name: "a later spender changes nothing",
    invariant: 13,
    file: wallet("vault.ts"),
    find: "superseded: security.epoch > wallet.epoch",
    replace: "superseded: false",
  },
  {
    name: "the spender may change while payments are open",
    invariant: 13,
    file: wallet("spender.ts"),
    find: "function unfinished(vault: Vault): number {\n  return vault.journal.openPayments();",
    replace: "function unfinished(vault: Vault): number {\n  return 0 * vault.journal.openPayments();",
  },
  {
    name: "any deployment's payer will do",
    invariant: 13,
    file: wallet("order.ts"),
    find: "return wallet.backend === vault.ports.payer.backend;",
    replace: 'return wallet.backend !== "";',
  },
  {
    name: "losing sight of a payment is not worth a receipt",
    invariant: 14,
    file: wallet("send.ts"),
    find: 'if (row.state === "paying" || row.code !== code) vault.receipt(',
    replace: 'if (row.state !== "paying" && row.code !== code) vault.receipt(',
  },
  {
    name: "what a person decides leaves no receipt",
    invariant: 14,
    file: wallet("approvals.ts"),
    find: "vault.receipt(state, moved, moved.code, { evidence: by });",
    replace: "",
  },
  {
    name: "a caller is told the price without its fee",
    invariant: 14,
    file: wallet("vault.ts"),
    find: "add(payment.charge_msat as Msat, (payment.fee_msat ?? 0) as Msat)",
    replace: "(payment.charge_msat as Msat)",
  },
  {
    name: "a grant can be used again",
    invariant: 18,
    faults: ["leaving"],
    file: wallet("approvals.ts"),
    find: "WHERE budget = ? AND request_hash = ? AND state = 'granted' AND expires_at > ?",
    replace: "WHERE budget = ? AND request_hash = ? AND state IN ('granted', 'used') AND expires_at > ?",
    also: { find: "WHERE id = ? AND state = 'granted' RETURNING id", replace: "WHERE id = ? RETURNING id" },
  },
  {
    name: "a grant is good for any request of its budget",
    invariant: 18,
    file: wallet("approvals.ts"),
    find: "WHERE budget = ? AND request_hash = ? AND state = 'granted' AND expires_at > ?",
    replace: "WHERE budget = ? AND length(?) > 0 AND state = 'granted' AND expires_at > ?",
  },
  {
    name: "a grant is good for any amount",
    invariant: 18,
    file: "lightning/decide.ts",
    find: "const granted = (request.grantedMsat ?? null) !== null && total <= (request.grantedMsat ?? 0);",
    replace: "const granted = (request.grantedMsat ?? null) !== null;",
  },
  {
    name: "a link's signature is not looked at",
    invariant: 18,
    file: wallet("approvals.ts"),
    find: "|| !equalHex(given.mac, sign(vault, given.approvalId, given.expiresAt))",
    replace: "",
  },
];
