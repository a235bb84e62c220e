/**
 * The sandbox in a process of its own, so that it does not share an event loop with the client that measures. Invoices carry dummy
 * signatures: signing them is the seller's cost, several times that of a whole purchase, and would be all that is measured.
 */
import { sats } from "../lightning/msat.ts";
import { startSandbox } from "../sandbox/server.ts";

export interface WorldAddresses {
  readonly sellerUrl: string;
  readonly executorUrl: string;
  readonly executorToken: string;
  /** Where the node's ledger can be read. */
  readonly adminUrl: string;
}

const sandbox = await startSandbox({ signInvoices: false, balanceMsat: sats(1_000_000_000) });
// Ends with the benchmark, however that ends.
process.once("disconnect", () => process.exit(0));
const { sellerUrl, executorUrl, executorToken, adminUrl } = sandbox;
process.send?.({ sellerUrl, executorUrl, executorToken, adminUrl } satisfies WorldAddresses);
