/** Flows in which policy, the caller or the wallet's own means say no: always before a payment, as the node's ledger shows. */
import { sats } from "../../lightning/msat.ts";
import { delivered, must, refused, withoutPaying, type Flow } from "./context.ts";

export const overCap: Flow = {
  name: "over the cap",
  claim: "invariant 3: a price over the cap is refused before any payment",
  run: async (context) => {
    const agent = await context.emptyHanded();
    refused(await withoutPaying(context.system, () => agent.fetch("/expensive")), "amount_over_cap");
    return "500,000 sat asked, 100 allowed: refused, no payment attempted";
  },
};

export const overCallLimit: Flow = {
  name: "over Lightning-Max-Sats",
  claim: "invariant 7: a price over the caller's own limit is refused before any payment",
  run: async (context) => {
    const agent = await context.agent();
    refused(await withoutPaying(context.system, () => agent.fetch("/joke", { maxSats: 20 })), "amount_over_call_limit");
    delivered(await agent.fetch("/joke", { maxSats: 50 }), "paid");
    return "21 sat asked, 20 named by the caller: refused; 50 named: paid";
  },
};

export const unknownHost: Flow = {
  name: "host not allowlisted",
  claim: "invariant 12: an empty allowlist allows nothing, and the seller sees no request",
  run: async (context) => {
    const agent = await context.emptyHanded({ hosts: { mode: "listed", allow: [], block: [], unknown: "deny" } });
    const before = await context.system.sellerRequests();
    refused(await withoutPaying(context.system, () => agent.fetch("/joke")), "host_not_allowlisted");
    const after = await context.system.sellerRequests();
    must(before === after, "the seller must not have seen a request", { before, after });
    return "an empty allowlist allows nothing: the seller saw no request";
  },
};

export const budgets: Flow = {
  name: "budget of one key",
  claim: "invariant 3: one key's budget spent, another key of the same wallet still pays",
  run: async (context) => {
    const other = await context.agent();
    const small = await context.key(other.walletId, "small", context.policy({ totalMsat: sats(30) }));
    delivered(await small.fetch("/joke"), "paid");
    refused(await withoutPaying(context.system, () => small.fetch("/stream")), "budget_exceeded");
    delivered(await other.fetch("/stream"), "paid");
    return "30 sat spent up by one key: refused; another key of the same wallet pays";
  },
};

export const expiredInvoice: Flow = {
  name: "expired quote",
  claim: "invariant 7: an expired invoice is not paid",
  notOn: ({ kind }) => (kind === "simulated" ? null : "Aperture's invoices live a day"),
  run: async (context) => {
    const agent = await context.emptyHanded();
    refused(await withoutPaying(context.system, () => agent.fetch("/expired")), "invoice_expired");
    return "the invoice had expired: refused, no payment attempted";
  },
};

export const wrongHash: Flow = {
  name: "mismatched challenge",
  claim: "invariant 8: a macaroon bound to another payment hash is not paid for",
  notOn: ({ kind }) => (kind === "simulated" ? null : "Aperture is honest"),
  run: async (context) => {
    const agent = await context.emptyHanded();
    refused(await withoutPaying(context.system, () => agent.fetch("/mismatch")), "payment_hash_mismatch");
    return "macaroon and invoice name different payment hashes: refused";
  },
};

export const insufficientFunds: Flow = {
  name: "insufficient funds",
  claim: "a wallet without enough money says so, and its reservation is released",
  notOn: ({ kind, payer }) => (kind === "simulated" || payer === "spark" ? null : "the channel holds more than the dearest route asks"),
  run: async (context) => {
    const agent = await context.agent({ perPaymentMsat: sats(2_000_000), dayMsat: sats(2_000_000) });
    const { balance } = await context.operate("GET", `/v1/wallets/${agent.walletId}/balance`);
    const spendableMsat = (balance as { readonly spendableMsat: number | null }).spendableMsat ?? 0;
    must(spendableMsat > 0 && spendableMsat < sats(500_000), "it must hold something, and less than is asked", spendableMsat);
    const before = (await context.system.ledger()).settled;
    refused(await agent.fetch("/expensive"), "insufficient_funds");
    must((await context.system.ledger()).settled === before, "nothing may settle");
    const status = await context.operate("GET", `/v1/wallets/${agent.walletId}`);
    must(JSON.stringify(status["spent"] ?? null).includes('"openMsat":0'), "the reservation must be released", status["spent"]);
    return `500,000 sat asked, ${Math.floor(spendableMsat / 1000)} in the wallet: refused, reservation released`;
  },
};
