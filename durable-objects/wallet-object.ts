/**
 * The Wallet as a Durable Object: the core behind RPC, nothing else. One object is one wallet and its only spender. Its name,
 * `<owner>/<wallet id>`, is made by the Worker from the caller's principal. What differs between deployments (payer, control
 * plane) is wired from outside, so that this room imports neither.
 */
import { DurableObject } from "cloudflare:workers";
import type { ControlPlane, WalletRecord } from "../lightning/control-plane.ts";
import { unwrapRecordKey, wrapRecordKey, type Envelope } from "../lightning/envelope.ts";
import type { ApprovalLink, ApprovalState, Verdict } from "../lightning/approval.ts";
import type { KeyRing } from "../lightning/kek.ts";
import type { Msat } from "../lightning/msat.ts";
import type { Payer } from "../lightning/payer.ts";
import type { Policy } from "../lightning/policy.ts";
import { openRecord, sealRecord } from "../lightning/seal.ts";
import type { WalletAdmin, WalletAgentViews, WalletApprovals, WithdrawRequest } from "../lightning/wallet-admin.ts";
import type { Rotation, SpenderMove, WalletCustody } from "../lightning/wallet-custody.ts";
import type { Auth, Conclusion, Delivery, OpenRequest, PayRequest, WalletPort } from "../lightning/wallet-api.ts";
import { nodeCipher } from "./cipher.ts";
import { webCryptoKeks } from "./kek-webcrypto.ts";
import { custodyPorts } from "./custody-ports.ts";
import type { SparkPorts } from "./spark/ports.ts";
import { durableSql } from "./sql-durable.ts";
import { WalletCore } from "./wallet/core.ts";
import type { WalletPorts } from "./wallet/ports.ts";
import { timer } from "./timer.ts";

/** What a payer that lives in the object gets of it: all but the deployment's own settings. */
export type PayerPlatform = Omit<SparkPorts, "settings" | "fetch" | "wasm">;

export interface Wiring {
  readonly payer: Payer | ((platform: PayerPlatform) => Payer);
  readonly control: ControlPlane;
}

/** @param wire called once per instance, with owner and wallet id from the object's own name */
export function walletObject<E extends object>(wire: (env: E, owner: string, walletId: string) => Wiring) {
  return class WalletObject extends DurableObject<E> implements WalletPort, WalletAdmin, WalletApprovals, WalletAgentViews, WalletCustody {
    readonly #core: WalletCore;

    constructor(ctx: DurableObjectState, env: E) {
      super(ctx, env);
      const [owner = "", walletId = ""] = (ctx.id.name ?? "").split("/");
      this.#core = new WalletCore(ports(ctx, env, wire(env, owner, walletId), () => this.#core));
    }

    open(request: OpenRequest) {
      return this.#core.open(request);
    }
    pay(request: PayRequest) {
      return this.#core.pay(request);
    }
    quote(request: PayRequest) {
      return this.#core.quote(request);
    }
    conclude(auth: Auth, purchaseId: string, conclusion: Conclusion) {
      return this.#core.conclude(auth, purchaseId, conclusion);
    }
    delivered(auth: Auth, deliveries: readonly Delivery[]) {
      return this.#core.delivered(auth, deliveries);
    }

    create(record: WalletRecord, envelope: Envelope, policy: Policy) {
      return this.#core.create(record, envelope, policy);
    }
    status() {
      return this.#core.status();
    }
    balance() {
      return this.#core.balance();
    }
    setPolicy(policy: Policy) {
      return this.#core.setPolicy(policy);
    }
    policy() {
      return this.#core.policy();
    }
    putBudget(budget: string, policy: Policy, disabled: boolean) {
      return this.#core.putBudget(budget, policy, disabled);
    }
    budgets() {
      return this.#core.budgets();
    }
    createKey(key: Parameters<WalletAdmin["createKey"]>[0]) {
      return this.#core.createKey(key);
    }
    keys() {
      return this.#core.keys();
    }
    revokeKey(keyId: string) {
      return this.#core.revokeKey(keyId);
    }
    disable() {
      return this.#core.disable();
    }
    enable() {
      return this.#core.enable();
    }
    resolve(purchaseId: string, verdict: "paid" | "failed", evidence: string, preimage: string | null) {
      return this.#core.resolve(purchaseId, verdict, evidence, preimage);
    }
    writeOff(purchaseId: string) {
      return this.#core.writeOff(purchaseId);
    }
    withdraw(request: WithdrawRequest) {
      return this.#core.withdraw(request);
    }
    fundingInvoice(amountMsat: Msat) {
      return this.#core.fundingInvoice(amountMsat);
    }
    approvals(state: ApprovalState | null, before: string | null = null) {
      return this.#core.approvals(state, before);
    }
    approval(approvalId: string) {
      return this.#core.approval(approvalId);
    }
    decideApproval(approvalId: string, verdict: Verdict, by: string, maxMsat: Msat | null) {
      return this.#core.decideApproval(approvalId, verdict, by, maxMsat);
    }
    approvalLink(approvalId: string) {
      return this.#core.approvalLink(approvalId);
    }
    approvalByLink(link: ApprovalLink) {
      return this.#core.approvalByLink(link);
    }
    decideByLink(link: ApprovalLink, verdict: Verdict) {
      return this.#core.decideByLink(link, verdict);
    }
    custody() {
      return this.#core.custody();
    }
    rotate(what: Rotation) {
      return this.#core.rotate(what);
    }
    disableNow() {
      return this.#core.disableNow();
    }
    moveSpender(move: SpenderMove) {
      return this.#core.moveSpender(move);
    }
    purchases(page: Parameters<WalletAdmin["purchases"]>[0]) {
      return this.#core.purchases(page);
    }
    purchase(purchaseId: string) {
      return this.#core.purchase(purchaseId);
    }
    receipts(page: Parameters<WalletAdmin["receipts"]>[0]) {
      return this.#core.receipts(page);
    }
    ownStatus(auth: Auth) {
      return this.#core.ownStatus(auth);
    }
    ownPurchase(auth: Auth, purchaseId: string) {
      return this.#core.ownPurchase(auth, purchaseId);
    }
    ownReceipts(auth: Auth, page: Parameters<WalletAgentViews["ownReceipts"]>[1]) {
      return this.#core.ownReceipts(auth, page);
    }

    /** The cron's knock: constructing the object has re-armed its alarm; this also runs what is due now. */
    async wake(): Promise<void> {
      await this.#core.alarm();
    }
    override async alarm(): Promise<void> {
      await this.#core.alarm();
    }
  };
}

/** @param core asked only when the object is in use, never while it is being made */
function ports(ctx: DurableObjectState, env: object, { payer, control }: Wiring, core: () => WalletCore): WalletPorts {
  const { storage } = ctx;
  let ring: Promise<KeyRing | null> | null = null;
  /** Imported once; a ring that could not be read is asked for again next time. */
  const keys = async (): Promise<KeyRing | null> => {
    ring ??= webCryptoKeks(env).then((result) => (result.ok ? result.value : null));
    const keyRing = await ring;
    if (keyRing === null) ring = null;
    return keyRing;
  };
  const sql = durableSql(storage);
  const clock = { now: () => Date.now(), timer, turn: () => timer(0).done };
  // Workers Logs index JSON lines; the core never puts a secret into them (invariant 9).
  const log: WalletPorts["log"] = (event, facts) => console.warn(JSON.stringify({ event, ...facts }));
  const platform: PayerPlatform = {
    sql,
    clock,
    log,
    cipher: nodeCipher,
    keys,
    envelope: (walletId) => control.envelope(walletId),
    facts: () => core().facts(),
    sealing: {
      seal: (context, plain) => core().sealing().seal(context, plain),
      open: (context, sealed) => core().sealing().open(context, sealed),
      ready: () => core().sealing().ready(),
    },
  };
  return {
    sql,
    alarm: { set: (at) => void storage.setAlarm(at), clear: () => void storage.deleteAlarm() },
    clock,
    random: { bytes: (length) => crypto.getRandomValues(new Uint8Array(length)) },
    sealer: {
      seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain),
      open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed),
    },
    keys: {
      wrap: async (recordKey, walletId) => {
        const keyRing = await keys();
        if (keyRing === null) throw new Error("no key-encryption key");
        return wrapRecordKey(keyRing.current, walletId, recordKey);
      },
      unwrap: async (kekVersion, wrapped, walletId) => {
        const keyRing = await keys();
        return keyRing === null ? null : unwrapRecordKey(keyRing, walletId, kekVersion, wrapped);
      },
    },
    custody: custodyPorts(env, keys, control),
    payer: typeof payer === "function" ? payer(platform) : payer,
    control,
    log,
  };
}
