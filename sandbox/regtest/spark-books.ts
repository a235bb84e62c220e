/**
 * The books of everybody between a wallet and a seller, held against each other: the operators' leaves, the SSP's lnd, the nodes it pays and
 * the nodes that pay it. The same money appears in each, so a payment made twice, taken without being made, or lost on the way shows as a
 * difference. What a wallet's own journal says is compared elsewhere, with the ledger that spark-ledger.ts makes.
 */
import { ZERO } from "../../lightning/msat.ts";
import type { Ledger } from "../ledger.ts";
import type { SparkSandbox } from "../spark/handler.ts";
import type { SparkLedger } from "../spark/operators-port.ts";
import { ledgerOfLnd } from "./lnd-ledger.ts";
import { field } from "./lnd-payment.ts";
import { expectOk, hexOfBase64, text, type LndRest } from "./lnd-rest.ts";
import type { Regtest } from "./network.ts";
import { takenSats } from "./spark-ledger.ts";

/** An invoice that has been paid. */
export interface SettledInvoice {
  /** 64 lower-case hex digits. */
  readonly paymentHash: string;
  /** What came in. */
  readonly amountMsat: number;
}

export interface SparkBooks {
  /** What the SSP's lnd has paid, or tried to. */
  readonly paidOut: Ledger;
  /** What has come in at the SSP's lnd. */
  readonly takenIn: readonly SettledInvoice[];
  /** Settled invoices of every node that the SSP may have paid: the seller behind Aperture, and whoever else. */
  readonly payees: readonly SettledInvoice[];
  /** Fees that routers have earned, msat; null in a network without one. */
  readonly routedFeesMsat: number | null;
  readonly spark: SparkLedger;
  /** What the operators themselves find wrong. */
  readonly operators: readonly string[];
}

/** All books of a network with Spark, as they are now. @throws Error when one cannot be read to its end */
export async function readSparkBooks(network: Regtest, spark: Pick<SparkSandbox, "ledger" | "check">): Promise<SparkBooks> {
  const { payer, router, seller } = network;
  const [payments, takenIn, atSeller, atRouter, routedFeesMsat] = await Promise.all([
    expectOk(payer.call(`/v1/payments?include_incomplete=true&max_payments=${PAGE}`)),
    settledInvoices(payer),
    settledInvoices(seller),
    router === null ? [] : settledInvoices(router),
    router === null ? null : routedFees(router),
  ]);
  const paidOut = ledgerOfLnd(payments, ZERO);
  // A wallet of the SSP that pays another one: the SSP's node pays itself.
  const itself = takenIn.filter((invoice) => paidOut.payments.some((row) => row.paymentHash === invoice.paymentHash));
  return {
    paidOut,
    takenIn,
    payees: [...atSeller, ...atRouter, ...itself],
    routedFeesMsat,
    spark: spark.ledger(),
    operators: spark.check(),
  };
}

/** Settled invoices of one node. @throws Error when the list cannot be read or is longer than one page: a row left out would prove what is not so */
export async function settledInvoices(lnd: LndRest): Promise<readonly SettledInvoice[]> {
  const list = field(await expectOk(lnd.call(`/v1/invoices?num_max_invoices=${PAGE}`)), "invoices");
  if (!Array.isArray(list) || list.length === PAGE) throw new Error("lnd's list of invoices cannot be read to its end");
  return list
    .filter((invoice: unknown) => field(invoice, "state") === "SETTLED")
    .map((invoice: unknown) => ({ paymentHash: hexOfBase64(text(invoice, "r_hash")), amountMsat: Number(text(invoice, "amt_paid_msat")) }));
}

/** All that a router has earned, msat. @throws Error as {@link settledInvoices} */
export async function routedFees(router: LndRest): Promise<number> {
  const answer = await expectOk(router.call("/v1/switch", { start_time: "0", num_max_events: PAGE }));
  const events = field(answer, "forwarding_events");
  if (!Array.isArray(events) || events.length === PAGE) throw new Error("lnd's list of forwarded payments cannot be read to its end");
  return events.reduce((sum: number, event: unknown) => sum + Number(text(event, "fee_msat")), 0);
}

const PAGE = 50_000;

/** What differs, as sentences; empty when nothing does. Nothing may be in flight when the books are read. */
export function sparkDifferences({ paidOut, takenIn, payees, routedFeesMsat, spark, operators }: SparkBooks): readonly string[] {
  const found = [...operators];
  const paid = new Map(paidOut.payments.map((row) => [row.paymentHash, row]));
  const ssp = spark.owners.find((owner) => owner.ssp)?.identity;
  const sends = Map.groupBy(
    spark.htlcs.filter(({ sender }) => sender !== ssp),
    ({ paymentHash }) => paymentHash,
  );
  for (const [paymentHash, htlcs] of sends) {
    const row = paid.get(paymentHash);
    const taken = htlcs.filter(({ state }) => state === "shared");
    if (taken.length > 1) found.push(`${paymentHash}: wallets gave their leaves for it ${taken.length} times`);
    if (htlcs.some(({ state }) => state === "waiting")) found.push(`${paymentHash}: leaves are still locked for it`);
    if (taken.length > 0 && row?.state !== "settled") found.push(`${paymentHash}: the SSP took the leaves and has not paid`);
    if (taken.length === 0 && row?.state === "settled") found.push(`${paymentHash}: the SSP has paid and got no leaves`);
    for (const { amountSats } of taken)
      if (row !== undefined && row.amountMsat !== amountSats * 1000)
        found.push(`${paymentHash}: the SSP paid another amount than was locked for it`);
  }
  for (const row of paidOut.payments) {
    if (row.state === "in_flight") found.push(`${row.paymentHash}: the SSP's node is still paying it`);
    if (row.state === "settled" && !sends.has(row.paymentHash))
      found.push(`${row.paymentHash}: the SSP's node paid it, and no wallet asked for it`);
  }

  const settled = paidOut.payments.filter(({ state }) => state === "settled");
  const received = new Map(payees.map((invoice) => [invoice.paymentHash, invoice]));
  for (const row of settled) {
    const invoice = received.get(row.paymentHash);
    if (invoice === undefined) found.push(`${row.paymentHash}: paid, and nobody has received it`);
    else if (invoice.amountMsat !== row.amountMsat) found.push(`${row.paymentHash}: another amount was received than was paid`);
  }
  for (const { paymentHash } of payees)
    if (paid.get(paymentHash)?.state !== "settled") found.push(`${paymentHash}: received, and the SSP's node has not paid it`);
  if (routedFeesMsat !== null && routedFeesMsat !== paidOut.feesMsat)
    found.push(`routers earned ${routedFeesMsat} msat, and the SSP's node paid ${paidOut.feesMsat} msat in fees`);

  const { held, expected } = holdings(spark, takenIn, [...sends.values()].flat());
  if (held !== expected) found.push(`wallets hold ${held} sat, and what came in less what was taken is ${expected} sat`);
  return found;
}

/** Wallets have what came in over Lightning less what was taken for their sends: nothing is minted for them here. Sats. */
function holdings(spark: SparkLedger, takenIn: readonly SettledInvoice[], sends: SparkLedger["htlcs"]): { held: number; expected: number } {
  const wallets = new Set(spark.owners.filter(({ ssp }) => !ssp).map(({ identity }) => identity));
  const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0);
  const own = sum(spark.owners.filter(({ ssp }) => !ssp).map(({ availableSats, lockedSats }) => availableSats + lockedSats));
  // A transfer counts to its sender until it is claimed.
  const onTheWay = spark.transfers.filter(
    ({ sender, receiver, status }) =>
      wallets.has(receiver) && !wallets.has(sender) && (status === "key_tweaked" || status === "key_tweak_pending"),
  );
  const cameIn = sum(takenIn.map(({ amountMsat }) => Math.floor(amountMsat / 1000)));
  return { held: own + sum(onTheWay.map(({ totalSats }) => totalSats)), expected: cameIn - takenSats(sends) };
}
