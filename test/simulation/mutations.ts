/**
 * Bugs planted on purpose, as edits of the product's own source while it is being loaded: the product carries no switch for
 * them. Each names the invariant it breaks; the simulation must find it.
 */
export interface Mutation {
  readonly name: string;
  readonly invariant: number;
  readonly file: string;
  /** Must stand in the file exactly once: a mutation that no longer applies fails its test. */
  readonly find: string;
  readonly replace: string;
}

const wallet = (file: string): string => `durable-objects/wallet/${file}`;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: "pays before the journal says so", invariant: 1, file: wallet("send.ts"),
    find: "const order = vault.transact(() => sendBlock(vault, purchaseId, bolt11));",
    replace: `let order: PaymentOrder | null = null;
      try { vault.ports.sql.transaction(() => { order = sendBlock(vault, purchaseId, bolt11); throw new Error("written afterwards"); }); } catch {}
      queueMicrotask(() => vault.transact(() => sendBlock(vault, purchaseId, bolt11)));`,
  },
  {
    name: "asks by paying again", invariant: 2, file: wallet("alarm.ts"),
    find: "const call = vault.ports.payer.lookup({ walletId: wallet.wallet_id, epoch: wallet.epoch, operationId: payment.operation_id, paymentHash: payment.payment_hash });",
    replace: "const call = vault.ports.payer.pay({ walletId: wallet.wallet_id, epoch: wallet.epoch, operationId: `${payment.operation_id}-${asked}`, bolt11: \"\", paymentHash: payment.payment_hash, amountMsat: payment.amount_msat as never, maxFeeMsat: payment.reserve_msat as never, deadline: asked + 30_000 });",
  },
  {
    name: "a request key forgets that it has paid", invariant: 2, file: wallet("journal.ts"),
    find: "if (row.request_key !== null) this.#sql.rows(\"UPDATE request_key SET payer_id = ? WHERE budget = ? AND key = ?\", row.id, row.budget, row.request_key);\n    return settled.length > 0;",
    replace: "if (row.request_key !== null) this.#sql.rows(\"UPDATE request_key SET payer_id = NULL WHERE budget = ? AND key = ?\", row.budget, row.request_key);\n    return settled.length > 0;",
  },
  {
    name: "open payments are left out of the books", invariant: 3, file: wallet("ledger.ts"),
    find: "for (const row of mine) openMsat = msat(openMsat + row.total);",
    replace: "for (const row of mine) openMsat = msat(openMsat + row.total * 0);",
  },
  {
    name: "a settled payment is booked without its fee reserve while it is open", invariant: 3, file: wallet("ledger.ts"),
    find: "SELECT budget, host, port, charge_msat + reserve_msat AS total FROM payment WHERE state = 'open'",
    replace: "SELECT budget, host, port, charge_msat AS total FROM payment WHERE state = 'open'",
  },
  {
    name: "a timeout is a failure", invariant: 4, file: wallet("send.ts"),
    find: "timer.done.then((): PaymentOutcome => ({ kind: \"unknown\", reason: \"deadline\" }))",
    replace: "timer.done.then((): PaymentOutcome => ({ kind: \"failed\", code: \"payment_failed\", definite: true }))",
  },
  {
    name: "never seen is a failure at once", invariant: 4, file: wallet("send.ts"),
    find: "payment.deadline !== null && asked >= payment.deadline + vault.timing.grace",
    replace: "payment.deadline !== null",
  },
  {
    name: "never seen is judged by when the answer came", invariant: 4, file: wallet("alarm.ts"),
    find: "vault.transact(() => settleBlock(vault, row.id, outcome, asked));",
    replace: "vault.transact(() => settleBlock(vault, row.id, outcome, asked + vault.timing.payDeadline));",
  },
  {
    name: "the preimage is taken on trust", invariant: 5, file: wallet("send.ts"),
    find: "!/^[0-9a-f]{64}$/u.test(outcome.preimage) || bytesToHex(sha256(hexToBytes(outcome.preimage))) !== payment.payment_hash",
    replace: "!/^[0-9a-f]{64}$/u.test(outcome.preimage)",
  },
  {
    name: "the credential is stored a moment after the payment", invariant: 6, file: wallet("send.ts"),
    find: "  vault.credentials.store(vault.key(), vault.nonce(), {",
    replace: "  const store = vault.credentials.store.bind(vault.credentials);\n  void vault.ports.clock.timer(1).done.then(() => store(vault.key(), vault.nonce(), {",
  },
  {
    name: "a credential that never served is bought anew", invariant: 6, file: wallet("deliver.ts"),
    find: "if (credential.state === \"fresh\" || credential.state === \"refused\") {",
    replace: "if (credential.state === \"fresh\" && row.state === \"opened\") { credentials.evict(credentialId); return null; }\n  if (credential.state === \"fresh\" || credential.state === \"refused\") {",
  },
];

/** The edits that belong to the file above where one `find` is only half of what must change. */
export const COMPANIONS: Readonly<Record<string, { readonly find: string; readonly replace: string }>> = {
  "the credential is stored a moment after the payment": {
    find: "secret: { scheme, token, preimage },\n  }, now);",
    replace: "secret: { scheme, token, preimage },\n  }, now));",
  },
};
