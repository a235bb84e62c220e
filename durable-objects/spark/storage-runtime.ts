/**
 * The SDK's storage interface as the wasm really uses it. The package's own types say `Payment` where it wants null for "none", number
 * where it passes and takes BigInt, and leave out an argument; every method has to return a native promise (anything else panics).
 */
import type {
  Contact,
  IncomingChange,
  OutgoingChange,
  Payment,
  Record,
  Storage,
  UnversionedRecordChange,
} from "@breeztech/breez-sdk-spark/web";

/** A revision comes and goes as BigInt. */
export type RuntimeRecord = Omit<Record, "revision"> & { readonly revision: bigint | number };
export type RuntimeOutgoing = Omit<OutgoingChange, "change" | "parent"> & {
  readonly change: Omit<OutgoingChange["change"], "localRevision"> & { readonly localRevision: bigint };
  readonly parent?: RuntimeRecord;
};
export type RuntimeIncoming = Omit<IncomingChange, "newState" | "oldState"> & {
  readonly newState: RuntimeRecord;
  readonly oldState?: RuntimeRecord;
};

type Corrected = {
  getPaymentByInvoice(invoice: string): Promise<Payment | null>;
  getPaymentsByParentIds(parentIds: readonly string[]): Promise<{ [parentId: string]: Payment[] }>;
  getContact(id: string): Promise<Contact | null>;
  addDeposit(txid: string, vout: number, amountSats: bigint | number, isMature: boolean): Promise<void>;
  syncAddOutgoingChange(change: UnversionedRecordChange): Promise<bigint>;
  syncCompleteOutgoingSync(record: RuntimeRecord, localRevision: bigint | number): Promise<void>;
  syncGetPendingOutgoingChanges(limit: number): Promise<RuntimeOutgoing[]>;
  syncGetLastRevision(): Promise<bigint>;
  syncInsertIncomingRecords(records: readonly RuntimeRecord[]): Promise<void>;
  syncDeleteIncomingRecord(record: RuntimeRecord): Promise<void>;
  syncGetIncomingRecords(limit: number): Promise<RuntimeIncoming[]>;
  syncGetLatestOutgoingChange(): Promise<RuntimeOutgoing | null>;
  syncUpdateRecordFromIncoming(record: RuntimeRecord): Promise<void>;
};

export type RuntimeStorage = Omit<Storage, keyof Corrected> & Corrected;
