/** A receipt by its id, wherever in the chain it stands. */
import type { Receipt } from "../../lightning/receipt.ts";
import type { Stage } from "./stage.ts";

/** @param key an operator's, with the wallet's path, or an agent's own @returns null when the chain does not hold it */
export async function findReceipt(stage: Stage, path: string, key: string, receiptId: string | null): Promise<Receipt | null> {
  let after = 0;
  for (;;) {
    const page = await stage.api.expect("GET", `${path}?limit=100&after=${after}`, { key });
    const records = page["receipts"] as readonly { readonly receiptId: string; readonly receipt: Receipt }[];
    const found = records.find((record) => record.receiptId === receiptId);
    if (found !== undefined) return found.receipt;
    if (typeof page["next"] !== "number") return null;
    after = page["next"];
  }
}
