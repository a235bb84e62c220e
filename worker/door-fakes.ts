/** A door for tests: no platform behind it, every call written down, so that "nothing changed" can be asserted. */
import type { ControlPlane } from "../lightning/control-plane.ts";
import type { ApprovalView } from "../lightning/approval.ts";
import { ZERO, msat } from "../lightning/msat.ts";
import type { PayerStatus } from "../lightning/payer.ts";
import type { OpenAnswer } from "../lightning/wallet-api.ts";
import { readConfig, type Config, type ConfigSource } from "./config.ts";
import type { Door, WalletStub } from "./door.ts";
import type { FlowPorts } from "./flow-types.ts";
import { secretHash } from "./principal.ts";

export const WALLET = "w_0123456789abcdef";
export const SECRET = "A".repeat(43);
export const ROOT_KEY = `lwo.main.root.${SECRET}`;
export const APPROVER_KEY = `lwa.main.approverkey0.${SECRET}`;
export const AGENT_KEY = `lwk.main.${WALLET}.abcdefghijkl.${SECRET}`;

export interface FakeDoor extends Door {
  /** `<object>.<method>`, in order. */
  readonly calls: string[];
  /** With their arguments. */
  readonly told: unknown[][];
  readonly logged: string[];
  /** URLs that the seller was asked for. */
  readonly fetched: string[];
}

export const PAYER: PayerStatus = {
  backend: "http-executor",
  online: true,
  spendableMsat: msat(5_000_000),
  network: "regtest",
  lastPaymentAt: null,
  version: null,
};
export const APPROVAL: ApprovalView = {
  approvalId: "appr_00000000-0000-4000-8000-000000000000",
  state: "pending",
  budget: "daily",
  subject: null,
  method: "GET",
  origin: "https://seller.example",
  path: "/report",
  amountMsat: msat(60_000),
  maxMsat: msat(65_000),
  because: "amount",
  description: null,
  askedAt: 0,
  expiresAt: 900_000,
  decidedAt: null,
  decidedBy: null,
  usedBy: null,
};

export type Answers = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

export const ENV: ConfigSource = {
  LIGHTNING_NETWORK: "regtest",
  WALLET_BACKEND: "http-executor",
  LIGHTNING_OPERATOR_KEY_SHA256: secretHash(SECRET),
};

export function configOf(env: ConfigSource): Config {
  const read = readConfig({ ...env });
  if (!read.ok) throw new Error(read.fault);
  return read.config;
}

const OPEN: OpenAnswer = {
  kind: "fetch",
  purchaseId: "00000000-0000-4000-8000-000000000000",
  credential: null,
  limits: { headersMs: 1000, idleMs: 1000, totalMs: 1000, maxBytes: 1_000_000 },
};

/** @param answers by method name, for Wallet objects and control planes alike; others get an empty success */
export function fakeDoor(answers: Answers = {}, env: ConfigSource = {}): FakeDoor {
  const calls: string[] = [];
  const told: unknown[][] = [];
  const logged: string[] = [];
  const fetched: string[] = [];
  const defaults: Answers = {
    open: () => OPEN,
    conclude: () => ({ receiptId: null }),
    operatorKeyHash: () => null,
    approverKeyHash: (keyId) => (keyId === APPROVER_KEY.split(".")[2] ? secretHash(SECRET) : null),
    wallets: () => [],
    createWallet: (record) => ({ created: true, record }),
    create: () => ({ ok: true, value: { created: true } }),
    revokeApproverKey: () => true,
    approverKeys: () => [],
    switches: () => ({ version: 1, globalPause: false, ownerKillSwitch: false, epoch: 0 }),
    ownStatus: () => ({ ok: true, value: { walletId: WALLET, payer: PAYER } }),
    balance: () => ({ ok: true, value: PAYER }),
    receipts: () => ({ ok: true, value: { receipts: [], next: null } }),
    approvals: () => ({ ok: true, value: [APPROVAL] }),
    approval: () => ({ ok: true, value: APPROVAL }),
    decideApproval: () => ({ ok: true, value: APPROVAL }),
    approvalLink: (approvalId) => ({ ok: true, value: { approvalId, expiresAt: 900_000, mac: "ab".repeat(32) } }),
    approvalByLink: () => ({ ok: true, value: APPROVAL }),
    decideByLink: (_link, verdict) => ({ ok: true, value: { ...APPROVAL, state: verdict === "approve" ? "granted" : "rejected" } }),
    withdraw: () => ({ ok: true, value: { state: "fulfilled" } }),
    keepStatus: () => undefined,
    lastStatus: () => null,
    revokeOperatorKey: () => true,
  };
  /** An object of which every method exists; one assertion of type stands for the whole double. */
  const object = (name: string): unknown =>
    new Proxy(
      {},
      {
        get:
          (_target, method) =>
          (...args: readonly unknown[]) => {
            calls.push(`${name}.${String(method)}`);
            told.push([...args]);
            const answer = answers[String(method)] ?? defaults[String(method)] ?? (() => ({ ok: true, value: {} }));
            return new Promise((resolve) => resolve(answer(...args)));
          },
      },
    );
  const wallet = (owner: string, walletId: string): WalletStub => object(`${owner}/${walletId}`) as WalletStub;
  const flow = (owner: string, walletId: string): FlowPorts => ({
    wallet: wallet(owner, walletId),
    fetch: (url) => {
      fetched.push(url);
      return Promise.resolve(new Response("hello", { headers: { "content-type": "text/plain", "set-cookie": "a=b" } }));
    },
    clock: { now: () => 1_000, timer: () => ({ done: new Promise(() => undefined), cancel: () => undefined }) },
    random: { uuid: () => "00000000-0000-4000-8000-000000000000" },
    waitUntil: () => undefined,
    localHosts: [],
  });
  return {
    calls,
    told,
    logged,
    fetched,
    wallet,
    flow,
    config: configOf({ ...ENV, ...env }),
    now: () => 1_000,
    random: (length) => new Uint8Array(length).fill(7),
    uuid: () => "00000000-0000-4000-8000-000000000000",
    waitUntil: () => undefined,
    control: (owner) => object(`owner:${owner}`) as ControlPlane,
    makeCustody: ({ walletId, owner, network }, _mnemonic, recipient) =>
      Promise.resolve({
        ok: true,
        value: {
          envelope: {
            version: 1,
            walletId,
            owner,
            network,
            purpose: "mnemonic",
            kekVersion: "v1",
            wrappedDataKey: "AA==",
            nonce: "AA==",
            ciphertext: "AA==",
            createdAt: ZERO,
          },
          backup: recipient === null ? null : "the backup",
        },
      }),
    backupOf: () => Promise.resolve({ ok: true, value: "the backup" }),
    keks: () => Promise.resolve({ ok: true, value: { current: "v2", versions: ["v1", "v2"] } }),
    log: (event, facts) => void logged.push(JSON.stringify({ event, ...facts })),
  };
}
