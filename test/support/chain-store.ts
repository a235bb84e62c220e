import type { ReceiptRecord } from "../../lightning/control-plane.ts";
import type { WalletRig } from "./wallet-rig.ts";

/** The rig's control plane takes what continues its chain, as control-plane/contract.ts demands. @returns what it holds */
export function store(rig: WalletRig): ReceiptRecord[] {
  const held: ReceiptRecord[] = [];
  rig.onIngest = async (records) => {
    for (const record of records) if (record.receipt.sequence === held.length + 1) held.push(record);
    return held.length;
  };
  return held;
}
