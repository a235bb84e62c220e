/** The Wallet core: every call an object answers, over ports. Thin on purpose; what each does stands in the file it names. */
import type { Envelope } from "../../lightning/envelope.ts";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import type { Policy } from "../../lightning/policy.ts";
import type { WalletAdmin, WalletAgentViews, WalletApprovals, WithdrawRequest } from "../../lightning/wallet-admin.ts";
import type { Auth, Conclusion, Delivery, OpenRequest, PayRequest, WalletPort } from "../../lightning/wallet-api.ts";
import type { ApprovalLink, ApprovalState, Verdict } from "../../lightning/approval.ts";
import type { Rotation, SpenderMove, WalletCustody } from "../../lightning/wallet-custody.ts";
import type { Msat } from "../../lightning/msat.ts";
import * as admin from "./admin.ts";
import * as approvals from "./approvals.ts";
import { resolve, writeOff } from "./resolve.ts";
import { custody, rotate } from "./rotate.ts";
import { disableNow, enable, moveSpender } from "./spender.ts";
import { fundingInvoice, withdraw } from "./withdraw.ts";
import { alarm } from "./alarm.ts";
import { conclude, delivered } from "./deliver.ts";
import { open } from "./open.ts";
import { pay, quote } from "./pay.ts";
import { facts, sealing } from "./payer-seams.ts";
import { TIMING, type Timing, type WalletPorts } from "./ports.ts";
import { Vault } from "./vault.ts";

export class WalletCore implements WalletPort, WalletAdmin, WalletApprovals, WalletAgentViews, WalletCustody {
  readonly #vault: Vault;

  constructor(ports: WalletPorts, timing: Timing = TIMING) {
    this.#vault = new Vault(ports, timing);
  }

  open = (request: OpenRequest) => open(this.#vault, request);
  pay = (request: PayRequest) => pay(this.#vault, request);
  quote = (request: PayRequest) => quote(this.#vault, request);
  conclude = (auth: Auth, purchaseId: string, conclusion: Conclusion) => conclude(this.#vault, auth, purchaseId, conclusion);
  delivered = (auth: Auth, deliveries: readonly Delivery[]) => delivered(this.#vault, auth, deliveries);
  alarm = () => alarm(this.#vault);

  /** For a payer in the same object, and for nobody else: these two never cross the object's border. */
  sealing = () => sealing(this.#vault);
  facts = () => facts(this.#vault);

  create = (record: WalletRecord, envelope: Envelope, policy: Policy) => admin.create(this.#vault, record, envelope, policy);
  status = () => admin.status(this.#vault);
  balance = () => admin.balance(this.#vault);
  setPolicy = async (policy: Policy) => admin.setPolicy(this.#vault, policy);
  policy = async () => admin.policy(this.#vault);
  putBudget = async (name: string, policy: Policy, disabled: boolean) => admin.putBudget(this.#vault, name, policy, disabled);
  budgets = async () => admin.budgets(this.#vault);
  createKey = async (key: Parameters<WalletAdmin["createKey"]>[0]) => admin.createKey(this.#vault, key);
  keys = async () => admin.keys(this.#vault);
  revokeKey = async (keyId: string) => admin.revokeKey(this.#vault, keyId);
  disable = async () => admin.disable(this.#vault);
  enable = () => enable(this.#vault);
  resolve = (purchaseId: string, verdict: "paid" | "failed", evidence: string, preimage: string | null) =>
    resolve(this.#vault, purchaseId, verdict, evidence, preimage);
  writeOff = async (purchaseId: string) => writeOff(this.#vault, purchaseId);
  withdraw = (request: WithdrawRequest) => withdraw(this.#vault, request);
  fundingInvoice = (amountMsat: Msat) => fundingInvoice(this.#vault, amountMsat);
  approvals = async (state: ApprovalState | null, before: string | null = null) => approvals.list(this.#vault, state, before);
  approval = async (approvalId: string) => approvals.show(this.#vault, approvalId);
  decideApproval = (approvalId: string, verdict: Verdict, by: string, maxMsat: Msat | null) =>
    approvals.decideApproval(this.#vault, approvalId, verdict, by, maxMsat);
  approvalLink = (approvalId: string) => approvals.link(this.#vault, approvalId);
  approvalByLink = (link: ApprovalLink) => approvals.byLink(this.#vault, link);
  decideByLink = (link: ApprovalLink, verdict: Verdict) => approvals.decideByLink(this.#vault, link, verdict);
  custody = async () => custody(this.#vault);
  rotate = (what: Rotation) => rotate(this.#vault, what);
  disableNow = async () => disableNow(this.#vault);
  moveSpender = (move: SpenderMove) => moveSpender(this.#vault, move);
  purchases = async (page: Parameters<WalletAdmin["purchases"]>[0]) => admin.purchases(this.#vault, page, null);
  purchase = async (purchaseId: string) => admin.purchase(this.#vault, purchaseId, null);
  receipts = async (page: Parameters<WalletAdmin["receipts"]>[0]) => admin.receipts(this.#vault, page, null);

  ownStatus = (auth: Auth) => admin.ownStatus(this.#vault, auth);
  ownPurchase = async (auth: Auth, purchaseId: string) =>
    admin.asOwn(this.#vault, auth, (budget) => admin.purchase(this.#vault, purchaseId, budget));
  ownReceipts = async (auth: Auth, page: Parameters<WalletAgentViews["ownReceipts"]>[1]) =>
    admin.asOwn(this.#vault, auth, (budget) => admin.receipts(this.#vault, page, budget));
}
