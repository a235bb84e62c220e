/**
 * One wallet's custody with everything real but the platform: the Wallet core and the owner's control plane over `node:sqlite`, WebCrypto
 * keys from an environment that a test changes as an operator would, and a payer that answers as told. Any call that leaves the core can be
 * the last one of its instance: before it has its effect, or after it and with the answer lost.
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { bytesToHex, utf8ToBytes } from "@noble/hashes/utils.js";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { OwnerControlPlane } from "../../durable-objects/control-plane/owner.ts";
import { OWNER_MIGRATIONS } from "../../durable-objects/control-plane/schema.ts";
import { custodyPorts } from "../../durable-objects/custody-ports.ts";
import { webCryptoKeks } from "../../durable-objects/kek-webcrypto.ts";
import { migrate } from "../../durable-objects/sql.ts";
import { WalletCore } from "../../durable-objects/wallet/core.ts";
import { credentialContext } from "../../durable-objects/wallet/credentials.ts";
import type { PaymentRow } from "../../durable-objects/wallet/journal.ts";
import type { CredentialRow } from "../../durable-objects/wallet/credentials.ts";
import type { WalletPorts } from "../../durable-objects/wallet/ports.ts";
import { Vault } from "../../durable-objects/wallet/vault.ts";
import type { WalletRecord } from "../../lightning/control-plane.ts";
import { openEnvelope, sealEnvelope, unwrapRecordKey, wrapRecordKey } from "../../lightning/envelope.ts";
import type { KeyRing } from "../../lightning/kek.ts";
import type { Msat } from "../../lightning/msat.ts";
import type { PaymentOrder, PaymentOutcome } from "../../lightning/payer.ts";
import type { Policy } from "../../lightning/policy.ts";
import { openRecord, sealRecord } from "../../lightning/seal.ts";
import type { PayAnswer } from "../../lightning/wallet-api.ts";
import { mintBolt11 } from "../../sandbox/mint-bolt11.ts";
import { mintMacaroon } from "../../sandbox/mint-macaroon.ts";
import { scan, type Secret } from "./canary.ts";
import { MNEMONIC } from "./custody-vectors.ts";
import { NodeSql } from "./sql-node.ts";

export const WALLET_ID = "w_0123456789abcdef";
export const OWNER = "main";
const START = Date.UTC(2027, 0, 15, 8, 20);
const BINDING = { walletId: WALLET_ID, owner: OWNER, network: "regtest" } as const;
const POLICY: Policy = {
  hosts: { mode: "listed", allow: ["seller.example"], block: [], unknown: "deny" },
  fee: { floorMsat: 1000 as Msat, ppm: 0 },
  opaqueTokens: "deny",
  network: "regtest",
};

/** A key for version `n`, the same each time. */
export const kekText = (n: number): string => Buffer.from(sha256(utf8ToBytes(`kek ${n}`))).toString("base64");

/** The nth call that leaves the core is the instance's last. */
export interface Crash {
  readonly call: number;
  readonly when: "before" | "after";
}

class RigSql extends NodeSql {
  alarm: number | null = null;
}

export class CustodyRig {
  readonly sql = new RigSql();
  readonly controlSql = new NodeSql();
  /** The Worker's environment; change it, then {@link boot}. */
  readonly env: Record<string, string> = { WALLET_KEK_V1: kekText(1) };
  readonly control: OwnerControlPlane;
  now = START;
  readonly logged: string[] = [];
  readonly sent: PaymentOrder[] = [];
  /** What the payer says: at once, to `pay` and to `lookup`. */
  payer: "settles" | "is pending" = "settles";
  /** Held back answers of `pay`. */
  readonly waiting: (() => void)[] = [];
  hold = false;
  core: WalletCore;
  readonly secrets: Secret[] = [
    { name: "mnemonic", text: MNEMONIC },
    { name: "first words", text: MNEMONIC.slice(0, 30) },
  ];
  readonly #preimages = new Map<string, string>();
  #generation = 0;
  #count = 0;
  #crash: { left: number; readonly when: Crash["when"]; readonly crashed: () => void } | null = null;

  private constructor() {
    migrate(this.controlSql, OWNER_MIGRATIONS, START);
    const calm = { version: 0, active: false };
    this.control = new OwnerControlPlane(OWNER, {
      sql: this.controlSql,
      now: () => this.now,
      global: { read: () => Promise.resolve(calm), set: () => Promise.resolve(calm), register: () => Promise.resolve() },
    });
    this.core = this.boot();
  }

  static async make(epoch = 1): Promise<CustodyRig> {
    const rig = new CustodyRig();
    const kek = (await rig.#ring())?.current;
    if (kek === undefined) throw new Error("the rig has a key");
    const envelope = await sealEnvelope(
      { cipher: nodeCipher, kek, random: (length) => crypto.getRandomValues(new Uint8Array(length)) },
      BINDING,
      utf8ToBytes(MNEMONIC),
      START,
    );
    const record: WalletRecord = {
      ...BINDING,
      label: "",
      backend: "http-executor",
      epoch,
      walletSource: "embedded_envelope",
      createdAt: START,
    };
    await rig.control.createWallet(record, envelope);
    const made = await rig.core.create(record, envelope, POLICY);
    if (!made.ok) throw new Error(made.detail);
    await rig.core.putBudget("agents", POLICY, false);
    return rig;
  }

  /** A new instance over what is stored, as after a deploy, an eviction or a crash. */
  boot(): WalletCore {
    this.#generation++;
    this.#crash = null;
    this.core = new WalletCore(this.ports());
    return this.core;
  }

  /** Runs `work` and crashes in it. @returns its answer, or null when the instance died first */
  async crashing<T>(crash: Crash | null, work: () => Promise<T>): Promise<T | null> {
    if (crash === null) return work();
    const { promise, resolve } = Promise.withResolvers<null>();
    this.#crash = { left: crash.call, when: crash.when, crashed: () => resolve(null) };
    const answer = await Promise.race([work(), promise]);
    if (answer === null) this.boot();
    this.#crash = null;
    return answer;
  }

  /** A purchase of a scope of its own. With a payer that is pending it stays open. */
  async buy(): Promise<{ readonly id: string; readonly path: string; readonly answer: PayAnswer }> {
    const { id, path, challenge } = await this.begin();
    const answer = await this.core.pay({
      purchaseId: id,
      auth: { kind: "binding", budget: "agents" },
      challenge,
      refusedCredentialId: null,
      waitMs: this.payer === "settles" ? 45_000 : 0,
    });
    await this.quiet();
    return { id, path, answer };
  }

  async begin(): Promise<{ readonly id: string; readonly path: string; readonly challenge: string }> {
    const n = ++this.#count;
    const id = `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
    const path = `/report/${n}`;
    const preimage = sha256(utf8ToBytes(`preimage ${n}`));
    const paymentHash = bytesToHex(sha256(preimage));
    const token = mintMacaroon({
      rootKey: new Uint8Array(32),
      paymentHash,
      tokenId: sha256(preimage),
      caveats: [{ condition: "services", value: `s${n}:0` }],
    });
    const invoice = mintBolt11({
      network: "regtest",
      amountMsat: 20_000,
      paymentHash,
      paymentSecret: new Uint8Array(32),
      description: path,
      timestamp: Math.floor(this.now / 1000),
      expirySeconds: 3600,
      nodeSecretKey: new Uint8Array(32).fill(1),
      sign: false,
    });
    this.#preimages.set(paymentHash, bytesToHex(preimage));
    this.secrets.push({ name: "preimage", text: bytesToHex(preimage) }, { name: "token", text: token }, { name: "invoice", text: invoice });
    const opened = await this.core.open({
      purchaseId: id,
      auth: { kind: "binding", budget: "agents" },
      method: "GET",
      url: `https://seller.example${path}`,
      bodySha256: null,
      idempotencyKey: null,
      maxMsat: null,
      subject: null,
      waitMs: 0,
    });
    if (opened.kind !== "fetch") throw new Error(`not opened: ${opened.kind} ${opened.code}`);
    return { id, path, challenge: `L402 macaroon="${token}", invoice="${invoice}"` };
  }

  async quiet(): Promise<void> {
    await new Promise<void>((resolve) => setImmediate(resolve));
  }

  /** The platform fires the alarm, a moment after it was due. */
  async alarm(crash: Crash | null = null): Promise<void> {
    this.now = Math.max(this.now, this.sql.alarm ?? 0) + 1;
    this.sql.alarm = null;
    await this.crashing(crash, () => this.core.alarm().then(() => true));
  }

  state(id: string): string | undefined {
    return this.sql.rows<{ state: string }>("SELECT state FROM purchase WHERE id = ?", id)[0]?.state;
  }

  /** Versions that wrap something, by the rows themselves and not by what anybody says of them. */
  wrapping(): ReadonlySet<string> {
    const versions = [
      ...this.sql.rows<{ v: string }>("SELECT kek_version AS v FROM wallet UNION ALL SELECT kek_version FROM former_record_key"),
      ...this.controlSql.rows<{ v: string }>("SELECT json_extract(document, '$.kekVersion') AS v FROM envelope"),
    ];
    return new Set(versions.map(({ v }) => v));
  }

  /** @throws Error naming what does not open in a fresh instance, or stands somewhere in the clear */
  async check(): Promise<void> {
    const vault = new Vault(this.ports(false));
    if ((await vault.ready()) !== null) throw new Error("the record key does not open");
    for (const row of this.sql.rows<PaymentRow>("SELECT * FROM payment WHERE length(sealed) > 0")) {
      if (vault.ports.sealer.open(vault.key(row.sealed), `payment:${row.purchase_id}`, row.sealed) === null)
        throw new Error(`payment ${row.purchase_id} does not open`);
    }
    for (const row of this.sql.rows<CredentialRow>("SELECT * FROM credential WHERE length(sealed) > 0")) {
      const plain = vault.ports.sealer.open(vault.key(row.sealed), credentialContext(row.id, row.origin), row.sealed);
      if (plain === null || !new TextDecoder().decode(plain).includes(this.#preimages.get(row.payment_hash) ?? "none"))
        throw new Error(`credential ${row.id} does not open`);
    }
    const envelope = await this.control.envelope(WALLET_ID);
    const keks = await this.#ring();
    if (envelope === null || keks === null) throw new Error("there is no envelope, or no key");
    const words = await openEnvelope({ cipher: nodeCipher, keks }, envelope, BINDING, (mnemonic) => new TextDecoder().decode(mnemonic));
    if (!words.ok || words.value !== MNEMONIC) throw new Error("the envelope does not open");
    const found = scan(Buffer.concat([dump(this.sql), dump(this.controlSql), Buffer.from(this.logged.join("\n"))]), this.secrets);
    if (found.length > 0) throw new Error(`in the clear: ${found.join(", ")}`);
  }

  close(): void {
    this.sql.close();
    this.controlSql.close();
  }

  async #ring(): Promise<KeyRing | null> {
    const keks = await webCryptoKeks(this.env);
    return keks.ok ? keks.value : null;
  }

  /** @param mortal false: for looking only; no crash counts its calls */
  ports(mortal = true): WalletPorts {
    const generation = this.#generation;
    const alive = (): void => {
      if (mortal && generation !== this.#generation) throw new Error("this instance has been superseded");
    };
    const leaves = async <T>(call: () => Promise<T>): Promise<T> => {
      const crash = mortal ? this.#crash : null;
      if (crash !== null && crash.left-- === 0) {
        if (crash.when === "after") await call();
        crash.crashed();
        return new Promise<never>(() => {});
      }
      return call();
    };
    const { sql } = this;
    // An isolate imports its keys once.
    const ring = this.#ring();
    const custody = custodyPorts(this.env, () => ring, this.control);
    const settled = (paymentHash: string): PaymentOutcome =>
      this.payer === "settles"
        ? { kind: "settled", preimage: this.#preimages.get(paymentHash) ?? null, feeMsat: 0 as Msat, settledAt: this.now, reference: "rig" }
        : { kind: "pending" };
    return {
      sql: {
        script: (text) => {
          alive();
          sql.script(text);
        },
        rows: (query, ...bind) => {
          alive();
          return sql.rows(query, ...bind);
        },
        transaction: (body) => {
          alive();
          return sql.transaction(body);
        },
      },
      alarm: {
        set: (at) => {
          if (mortal) sql.alarm = at;
        },
        clear: () => {
          if (mortal) sql.alarm = null;
        },
      },
      clock: { now: () => this.now, timer: () => ({ done: new Promise(() => {}), cancel: () => {} }) },
      random: {
        bytes: (length) => {
          const bytes = crypto.getRandomValues(new Uint8Array(length));
          if (length === 32) this.secrets.push({ name: "record key", text: bytesToHex(bytes) });
          return bytes;
        },
      },
      sealer: {
        seal: (key, nonce, context, plain) => sealRecord(nodeCipher, key, nonce, context, plain),
        open: (key, context, sealed) => openRecord(nodeCipher, key, context, sealed),
      },
      keys: {
        wrap: (key, wallet) =>
          leaves(async () => {
            const keks = await ring;
            if (keks === null) throw new Error("no key-encryption key");
            return wrapRecordKey(keks.current, wallet, key);
          }),
        unwrap: (version, wrapped, wallet) =>
          leaves(async () => {
            const keks = await ring;
            return keks === null ? null : unwrapRecordKey(keks, wallet, version, wrapped);
          }),
      },
      custody: {
        rewrap: (...args) => leaves(() => custody.rewrap(...args)),
        reencrypt: (...args) => leaves(() => custody.reencrypt(...args)),
        wrapFor: (...args) => leaves(() => custody.wrapFor(...args)),
        record: (...args) => leaves(() => custody.record(...args)),
        envelope: (...args) => leaves(() => custody.envelope(...args)),
        putEnvelope: (...args) => leaves(() => custody.putEnvelope(...args)),
        moveSpender: (...args) => leaves(() => custody.moveSpender(...args)),
      },
      payer: {
        backend: "http-executor",
        granularity: "msat",
        pay: async (order) => {
          this.sent.push(order);
          if (this.hold) await new Promise<void>((resolve) => this.waiting.push(resolve));
          return settled(order.paymentHash);
        },
        lookup: async ({ paymentHash }) => settled(paymentHash),
        cancel: async () => "cannot_fence",
        status: async () => ({
          backend: "http-executor",
          online: true,
          spendableMsat: null,
          network: "regtest",
          lastPaymentAt: null,
          version: null,
        }),
      },
      control: {
        security: (walletId) => leaves(() => this.control.security(walletId)),
        ingestReceipts: (walletId, records) => leaves(() => this.control.ingestReceipts(walletId, records)),
        putSnapshot: (snapshot) => leaves(() => this.control.putSnapshot(snapshot)),
      },
      log: (event, facts) => void this.logged.push(JSON.stringify({ event, ...facts })),
    };
  }
}

/** Every value of every table. */
function dump(sql: NodeSql): Buffer {
  const parts: Buffer[] = [];
  for (const { name } of sql.rows<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")) {
    for (const row of sql.rows<Record<string, unknown>>(`SELECT * FROM "${name}"`)) {
      for (const value of Object.values(row))
        parts.push(value instanceof Uint8Array ? Buffer.from(value) : Buffer.from(String(value)), Buffer.from("\n"));
    }
  }
  return Buffer.concat(parts);
}
