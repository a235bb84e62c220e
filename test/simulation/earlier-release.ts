/**
 * A wallet as the first release left it: schema version 1, with rows that were open when the new code was deployed. Written by hand, in
 * that release's own columns, because its code is gone; what the migrations and the new code make of them is the run's business.
 */
import { bytesToHex } from "@noble/hashes/utils.js";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import { migrate } from "../../durable-objects/sql.ts";
import { TIMING } from "../../durable-objects/wallet/ports.ts";
import { MIGRATIONS } from "../../durable-objects/wallet/schema.ts";
import type { Msat } from "../../lightning/msat.ts";
import { sealRecord } from "../../lightning/seal.ts";
import { SELLER } from "./policies.ts";
import { EPOCH } from "./scheduler.ts";
import { RECORD } from "./wallet-record.ts";
import type { World } from "./world.ts";

const RESERVE_MSAT = 3000;

export function foundEarlier(world: World): void {
  const { object, policies, house, scheduler } = world;
  const { sql } = object;
  migrate(sql, MIGRATIONS.slice(0, 1), EPOCH);
  const key = scheduler.choice.bytes(32);
  const { kekVersion, wrapped } = house.wrap(key);
  sql.rows(
    "INSERT INTO wallet (only, wallet_id, owner, network, backend, epoch, state, policy, policy_version, record_key_id, record_key_wrapped, kek_version, created_at) VALUES (1, ?, ?, ?, ?, ?, 'active', ?, 1, 1, ?, ?, ?)",
    RECORD.walletId,
    RECORD.owner,
    RECORD.network,
    RECORD.backend,
    RECORD.epoch,
    JSON.stringify(policies.wallet),
    wrapped,
    kekVersion,
    EPOCH,
  );
  for (const [name, policy] of policies.budgets)
    sql.rows(
      "INSERT INTO budget (name, policy, policy_version, disabled, created_at) VALUES (?, ?, 1, 0, ?)",
      name,
      JSON.stringify(policy),
      EPOCH,
    );
  for (const index of [0, 1]) openRow(world, key, index);
  world.control.snapshot(EPOCH, 2);
  sql.setAlarm(EPOCH + TIMING.payDeadline + TIMING.grace);
}

/** Reserved and not yet sent, or sent with the order still on its way. */
function openRow({ object: { sql }, scheduler, seller, node, requests }: World, key: Uint8Array, index: number): void {
  const { choice } = scheduler;
  const paying = choice.oneIn(2);
  const path = `/old${index}/x`;
  const { minted, invoice } = seller.sell(SELLER, `old${index}`);
  const id = bytesToHex(choice.bytes(16));
  const operationId = `earlier-${index}`;
  const deadline = EPOCH + TIMING.payDeadline;
  const sealed = sealRecord(
    nodeCipher,
    { id: 1, bytes: key },
    choice.bytes(12),
    `payment:${id}`,
    new TextEncoder().encode(JSON.stringify({ scheme: "L402", token: minted.token, invoice })),
  );
  sql.rows(
    "INSERT INTO purchase (id, state, budget, caller, method, origin, host, port, path, request_hash, opened_at, due_at) VALUES (?, ?, 'alpha', 'binding', 'GET', ?, 'seller.example', 443, ?, ?, ?, ?)",
    id,
    paying ? "paying" : "reserved",
    SELLER,
    path,
    id,
    EPOCH,
    paying ? deadline + TIMING.grace : EPOCH + TIMING.reserveLease,
  );
  sql.rows(
    "INSERT INTO payment (purchase_id, operation_id, payment_hash, state, budget, host, port, origin, scope, amount_msat, charge_msat, reserve_msat, reserved_at, expires_at, deadline, binding, sealed) VALUES (?, ?, ?, 'open', 'alpha', 'seller.example', 443, ?, ?, ?, ?, ?, ?, ?, ?, 'verified', ?)",
    id,
    operationId,
    minted.paymentHash,
    SELLER,
    `services:old${index}`,
    minted.amountMsat,
    minted.amountMsat,
    RESERVE_MSAT,
    EPOCH,
    EPOCH + 3_600_000,
    paying ? deadline : null,
    sealed,
  );
  sql.rows("INSERT INTO flight (origin, scope, purchase_id) VALUES (?, ?, ?)", SELLER, `services:old${index}`, id);
  requests.set(id, {
    url: SELLER + path,
    method: "GET",
    budget: "alpha",
    subject: null,
    maxMsat: null,
    sending: -1 - index,
    unpaying: null,
  });
  // Some orders were lost with the old instance.
  if (!paying || choice.oneIn(4)) return;
  const order = {
    walletId: RECORD.walletId,
    epoch: RECORD.epoch,
    operationId,
    bolt11: invoice,
    paymentHash: minted.paymentHash,
    amountMsat: minted.amountMsat as Msat,
    maxFeeMsat: RESERVE_MSAT as Msat,
    deadline,
  };
  scheduler.after(choice.delay(40_000), "an earlier order arrives", () => node.pay(order, () => {}));
}
