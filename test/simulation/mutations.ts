/**
 * Bugs planted on purpose, as edits of the product's own source while it is being loaded: the product carries no switch for
 * them. Each names the invariant it breaks; the simulation must find it.
 */
export interface Mutation {
  readonly name: string;
  readonly invariant: number;
  readonly file: string;
  /** Must stand in the file exactly once: a mutation that no longer applies fails its test. Kept short, so that a formatter does not break it. */
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
    find: "vault.ports.payer.lookup({",
    replace: "(({ walletId, epoch, paymentHash }) => vault.ports.payer.pay({ walletId, epoch, operationId: `${payment.operation_id}-${asked}`, bolt11: \"\", paymentHash, amountMsat: payment.amount_msat, maxFeeMsat: payment.reserve_msat, deadline: asked + 30_000 }))({",
  },
  {
    name: "a request key forgets that it has paid", invariant: 2, file: wallet("journal.ts"),
    find: "return settled.length > 0;",
    replace: "if (row.request_key !== null) this.#sql.rows(\"UPDATE request_key SET payer_id = NULL WHERE budget = ? AND key = ?\", row.budget, row.request_key);\n    return settled.length > 0;",
  },
  {
    name: "open payments are left out of the books", invariant: 3, file: wallet("ledger.ts"),
    find: "openMsat: total(",
    replace: "openMsat: 0 * total(",
  },
  {
    name: "a settled payment is booked without its fee reserve while it is open", invariant: 3, file: wallet("ledger.ts"),
    find: "charge_msat + reserve_msat AS total",
    replace: "charge_msat AS total",
  },
  {
    name: "a timeout is a failure", invariant: 4, file: wallet("send.ts"),
    find: "{ kind: \"unknown\", reason: \"deadline\" }",
    replace: "{ kind: \"failed\", code: \"payment_failed\", definite: true }",
  },
  {
    name: "never seen is a failure at once", invariant: 4, file: wallet("send.ts"),
    find: "looked >= payment.deadline + vault.timing.grace",
    replace: "looked > 0",
  },
  {
    name: "never seen is judged by when the answer came", invariant: 4, file: wallet("alarm.ts"),
    find: "settleBlock(vault, row.id, outcome, asked)",
    replace: "settleBlock(vault, row.id, { ...outcome, asOf: undefined }, asked + vault.timing.payDeadline)",
  },
  {
    name: "the preimage is taken on trust", invariant: 5, file: wallet("send.ts"),
    find: "bytesToHex(sha256(hexToBytes(outcome.preimage))) !== payment.payment_hash",
    replace: "false",
  },
  {
    name: "the credential is stored a moment after the payment", invariant: 6, file: wallet("send.ts"),
    find: "vault.credentials.store(",
    replace: "((...args) => void vault.ports.clock.timer(1).done.then(() => vault.credentials.store(...args)))(",
  },
  {
    name: "a credential that never served is bought anew", invariant: 6, file: wallet("deliver.ts"),
    find: "if (credential.state === \"fresh\" || credential.state === \"refused\") {",
    replace: "if (credential.state === \"fresh\" && row.state === \"opened\") { credentials.evict(credentialId); return null; }\n  if (credential.state === \"fresh\" || credential.state === \"refused\") {",
  },
];
