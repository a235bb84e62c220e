/** One purchase, stage by stage, told from the answers of the running system: quote, own status, fetch, purchase and receipt. */
import type { Receipt } from "../lightning/receipt.ts";
import type { BudgetView } from "../lightning/wallet-admin.ts";
import type { Quote } from "../lightning/wallet-api.ts";
import type { Api, ApiAnswer } from "./api.ts";
import { satText, type Output } from "./output.ts";

export interface FirstPurchase {
  readonly quote: Quote;
  readonly paid: {
    readonly status: string;
    readonly spentMsat: number;
    readonly paymentHash: string;
    readonly receiptId: string;
    readonly ms: number;
  };
  readonly cached: { readonly status: string; readonly spentMsat: number; readonly receiptId: string; readonly ms: number };
}

/** @throws Error saying at which stage it was not as it must be */
export async function firstPurchase(api: Api, key: string, url: string, out: Output): Promise<FirstPurchase> {
  const fetched = (): Promise<ApiAnswer> => api.call("POST", "/v1/fetch", { key, body: { url } });
  out.line("request", `GET ${url}`);

  const quoted = await api.expect("POST", "/v1/quote", { key, body: { url } });
  const quote = quoted["quote"] as Quote | undefined;
  if (quote === undefined) throw new Error("the seller asked for no payment");
  out.line(
    "402",
    `the seller asks ${satText(quote.amountMsat)}; macaroon and invoice are ${quote.binding === "verified" ? "bound by one payment hash" : "not bound"}; scope ${quote.scope}`,
  );

  const own = (await api.expect("GET", "/v1/wallet", { key }))["budget"] as BudgetView;
  const day =
    own.policy.dayMsat === undefined ? "no daily cap" : `${satText(own.spent.dayMsat)} of ${satText(own.policy.dayMsat)} spent today`;
  if (!quote.allowed) throw new Error(`the policy refuses: ${quote.code ?? "no code"}`);
  out.line("decision", `allowed: ${satText(quote.amountMsat)} and at most ${satText(quote.maxFeeMsat)} fee; ${day}`);

  const first = await fetched();
  if (first.lightning.status !== "paid")
    throw new Error(`the purchase ended as ${first.lightning.status ?? "nothing"} (${first.code ?? first.status})`);
  const receipt = await receiptOf(api, key, first.lightning.receipt);
  out.line("paid", `${satText(receipt.amountMsat ?? 0)} and ${satText(receipt.feeMsat ?? 0)} fee`);
  out.line("proof", `the preimage hashes to the payment hash ${receipt.paymentHash ?? ""}`);
  out.line("answer", `${first.status} in ${Math.round(first.ms)} ms: ${excerpt(first.text)}`);
  out.line("receipt", `${first.lightning.receipt ?? ""} (number ${receipt.sequence} of this wallet)`);

  const second = await fetched();
  if (second.lightning.status !== "cached" || second.lightning.spentMsat !== 0)
    throw new Error(`the second request was ${second.lightning.status ?? "nothing"}, not cached`);
  out.line(
    "again",
    `${second.lightning.status}, ${satText(second.lightning.spentMsat)}, ${second.status} in ${second.ms.toFixed(1)} ms, receipt ${(second.lightning.receipt ?? "").slice(0, 17)}…`,
  );
  return {
    quote,
    paid: {
      status: first.lightning.status,
      spentMsat: first.lightning.spentMsat ?? 0,
      paymentHash: receipt.paymentHash ?? "",
      receiptId: first.lightning.receipt ?? "",
      ms: Math.round(first.ms),
    },
    cached: { status: second.lightning.status, spentMsat: 0, receiptId: second.lightning.receipt ?? "", ms: Math.round(second.ms) },
  };
}

const excerpt = (text: string): string => (text.trim().length > 90 ? `${text.trim().slice(0, 90)}…` : text.trim());

async function receiptOf(api: Api, key: string, receiptId: string | null): Promise<Receipt> {
  const page = (await api.expect("GET", "/v1/receipts", { key }))["receipts"] as readonly {
    readonly receiptId: string;
    readonly receipt: Receipt;
  }[];
  const found = page.find((record) => record.receiptId === receiptId);
  if (found === undefined) throw new Error("the receipt named in the answer is not in the wallet's chain");
  return found.receipt;
}
