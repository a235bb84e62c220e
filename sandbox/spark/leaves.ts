/**
 * Leaves of the tree. A minted leaf stands for a deposit that has been split long ago: a root transaction nobody broadcasts, a node
 * transaction that spends it, and a refund that pays the owner alone once the timelock has passed.
 */
import { bytesToHex, randomScalar } from "./field.ts";
import { pointOf, type Leaf, type Network } from "./network.ts";
import { encodePoint, GENERATOR, keyPair, multiply, type KeyPair } from "./points.ts";
import { split } from "./shamir.ts";
import { payTo, spend, spendOutpoint, taproot, taprootScript } from "./transaction.ts";
import { initialSequences, zeroSequences } from "./timelocks.ts";

export interface MintOptions {
  /** Timelock of the refund, in blocks; a low one makes the first hop need a renewal. */
  readonly refundSequence?: number;
  /** Timelock of the node transaction; 0 or up to 100 makes its renewal need a new node too. */
  readonly nodeSequence?: number;
}

/** A new leaf of the SSP's, and the key to it. */
export function mintLeaf(network: Network, sats: number, options: MintOptions = {}): { readonly leaf: Leaf; readonly key: KeyPair } {
  const { ports, threshold, operators, ssp } = network;
  const random = (length: number): Uint8Array => ports.random(length);
  const key = keyPair(randomScalar(random));
  const operatorSecret = randomScalar(random);
  const operatorKey = multiply(GENERATOR, operatorSecret);
  const verifyingKey = operatorKey.add(key.point);
  const outputKey = taproot(verifyingKey);
  const script = taprootScript(outputKey);

  const rootTx = spendOutpoint(random(32), zeroSequences.anchored, sats, script, "anchored");
  const rootDirectTx = { ...rootTx, outputs: rootTx.outputs.slice(0, 1) };
  const nodeTimelock = options.nodeSequence ?? initialSequences.anchored;
  const nodeTx = spend(rootTx, nodeTimelock, script, "anchored");
  const now = ports.now();
  const root: Leaf = {
    id: ports.uuid(),
    treeId: ports.uuid(),
    parentId: null,
    sats,
    owner: ssp.identity,
    status: "SPLITTED",
    lockedBy: null,
    verifyingKey,
    taproot: outputKey,
    operatorKey,
    userKey: key.point,
    shares: split(operatorSecret, threshold, operators.length, random),
    nodeTx: rootTx,
    directTx: rootDirectTx,
    refundTx: spend(rootTx, initialSequences.anchored, payTo(key.point), "anchored"),
    refundSignature: null,
    createdAt: now,
    updatedAt: now,
  };
  const leaf: Leaf = {
    ...root,
    id: ports.uuid(),
    parentId: root.id,
    status: "AVAILABLE",
    nodeTx,
    directTx: spend(rootTx, nodeTimelock + initialSequences.direct - initialSequences.anchored, script, "direct"),
    refundTx: spend(nodeTx, options.refundSequence ?? initialSequences.anchored, payTo(key.point), "anchored"),
  };
  network.leaves.set(root.id, root);
  network.leaves.set(leaf.id, leaf);
  network.sspKeys.set(leaf.id, key.secret);
  network.movements.set(`mint:${leaf.id}`, { from: null, to: ssp.identity, sats, transferId: "" });
  return { leaf, key };
}

/** An identity as sessions and rows name it: the compressed key in hex. @throws GrpcError 3 */
export const identityOf = (publicKey: Uint8Array): string => bytesToHex(encodePoint(pointOf(publicKey, "an identity")));
