/** The one wallet of every run, as the control plane has it. */
import type { WalletRecord } from "../../lightning/control-plane.ts";
import type { Envelope } from "../../lightning/envelope.ts";
import { EPOCH } from "./scheduler.ts";

export const RECORD: WalletRecord = {
  walletId: "w_simulated0000000",
  owner: "sim",
  label: "",
  network: "regtest",
  backend: "http-executor",
  epoch: 1,
  walletSource: "embedded_envelope",
  createdAt: EPOCH,
};
/** Its content is custody's own business, and tested there; here it only has to be the one that is expected. */
export const ENVELOPE = { walletId: RECORD.walletId, owner: RECORD.owner, kekVersion: "v1" } as Envelope;
