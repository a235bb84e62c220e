/**
 * The books. Leaves say what everyone holds; the journal of movements says what everyone was given and gave. Both are kept apart, so that a
 * leaf which is lost, doubled or changes hands without a transfer shows as a difference.
 */
import { leafOf, transferOf, type Leaf, type Network } from "./network.ts";
import type { SparkLedger } from "./operators-port.ts";
import { combine } from "./shamir.ts";
import { GENERATOR, multiply } from "./points.ts";
import { outputOf } from "./transaction.ts";
import { htlcView, transferView } from "./views.ts";

interface Account {
  identity: string;
  ssp: boolean;
  availableSats: number;
  lockedSats: number;
  mintedSats: number;
  receivedSats: number;
  sentSats: number;
}

const money = (network: Network): IteratorObject<Leaf> => network.leaves.values().filter(({ status }) => status !== "SPLITTED");

export function balanceOf(network: Network, identity: string): number {
  return money(network)
    .filter(({ owner, status }) => owner === identity && status === "AVAILABLE")
    .reduce((sum, { sats }) => sum + sats, 0);
}

export function ledgerOf(network: Network): SparkLedger {
  const accounts = new Map<string, Account>();
  const account = (identity: string): Account => {
    const known = accounts.get(identity);
    if (known !== undefined) return known;
    const ssp = identity === network.ssp.identity;
    const fresh = { identity, ssp, availableSats: 0, lockedSats: 0, mintedSats: 0, receivedSats: 0, sentSats: 0 };
    accounts.set(identity, fresh);
    return fresh;
  };
  for (const { owner, status, sats } of money(network)) account(owner)[status === "AVAILABLE" ? "availableSats" : "lockedSats"] += sats;
  for (const { from, to, sats } of network.movements.values()) {
    if (from === null) account(to).mintedSats += sats;
    else {
      account(from).sentSats += sats;
      account(to).receivedSats += sats;
    }
  }
  const owners = [...accounts.values()];
  return {
    mintedSats: owners.reduce((sum, { mintedSats }) => sum + mintedSats, 0),
    owners,
    transfers: network.transfers.values().map(transferView).toArray(),
    htlcs: network.htlcs
      .values()
      .map((htlc) => htlcView(htlc, transferOf(network, htlc.transferId)))
      .toArray(),
  };
}

/** @returns what does not add up, one line each; empty when all does. Says nothing secret. */
export function differences(network: Network): string[] {
  const found: string[] = [];
  const { owners, mintedSats } = ledgerOf(network);
  for (const owner of owners) {
    const holds = owner.availableSats + owner.lockedSats;
    const booked = owner.mintedSats + owner.receivedSats - owner.sentSats;
    if (holds !== booked) found.push(`${owner.identity} holds ${holds} sat in leaves, the journal says ${booked}`);
  }
  const held = owners.reduce((sum, { availableSats, lockedSats }) => sum + availableSats + lockedSats, 0);
  if (held !== mintedSats) found.push(`${mintedSats} sat were minted, ${held} are held`);
  for (const leaf of money(network)) found.push(...leafDifferences(network, leaf));
  for (const transfer of network.transfers.values()) {
    const open = transfer.status === "key_tweak_pending" || transfer.status === "key_tweaked";
    const sum = transfer.leaves.reduce((total, { sats }) => total + sats, 0);
    if (sum !== transfer.sats) found.push(`transfer ${transfer.id} is of ${transfer.sats} sat, its leaves of ${sum}`);
    for (const { leafId } of transfer.leaves) {
      const holds = leafOf(network, leafId).lockedBy === transfer.id;
      if (holds !== open)
        found.push(`transfer ${transfer.id} is ${transfer.status} and ${holds ? "holds" : "does not hold"} leaf ${leafId}`);
    }
  }
  return [...found, ...hashDifferences(network)];
}

function leafDifferences(network: Network, leaf: Leaf): string[] {
  const found: string[] = [];
  if (outputOf(leaf.nodeTx).value !== leaf.sats) found.push(`leaf ${leaf.id} is of ${leaf.sats} sat, its transaction of another sum`);
  if ((leaf.status === "TRANSFER_LOCKED") !== (leaf.lockedBy !== null))
    found.push(`leaf ${leaf.id} is ${leaf.status} for ${leaf.lockedBy ?? "nobody"}`);
  if (!leaf.userKey.add(leaf.operatorKey).equals(leaf.verifyingKey)) found.push(`the keys of leaf ${leaf.id} do not add up`);
  const ssp = leaf.owner === network.ssp.identity && leaf.lockedBy === null;
  const sspKey = network.sspKeys.get(leaf.id);
  if (ssp && sspKey === undefined) found.push(`the SSP has no key to its leaf ${leaf.id}`);
  if (network.checks.mode === "light") return found;
  // Every threshold of operators must be able to sign: the first two, and the last two.
  const { threshold, operators } = network;
  for (const members of [operators.slice(0, threshold), operators.slice(-threshold)]) {
    const secret = combine(new Map(members.map(({ number, index }) => [number, leaf.shares[index] ?? 0n])));
    if (!multiply(GENERATOR, secret).equals(leaf.operatorKey)) found.push(`the operators' shares of leaf ${leaf.id} do not give its key`);
  }
  if (ssp && sspKey !== undefined && !multiply(GENERATOR, sspKey).equals(leaf.userKey))
    found.push(`the SSP's key to leaf ${leaf.id} is wrong`);
  return found;
}

function hashDifferences(network: Network): string[] {
  const found: string[] = [];
  const open = new Map<string, number>();
  for (const htlc of network.htlcs.values()) {
    const { status, receiver } = transferOf(network, htlc.transferId);
    const place = `${htlc.paymentHash} for ${receiver}`;
    if (htlc.state !== "returned") open.set(place, (open.get(place) ?? 0) + 1);
    const fits = { waiting: ["key_tweak_pending"], shared: ["key_tweaked", "completed"], returned: ["returned", "expired"] }[htlc.state];
    if (!fits.includes(status)) found.push(`HTLC of transfer ${htlc.transferId} is ${htlc.state}, the transfer ${status}`);
  }
  for (const [hash, count] of open) if (count > 1) found.push(`payment hash ${hash} has ${count} requests that were not returned`);
  return found;
}
