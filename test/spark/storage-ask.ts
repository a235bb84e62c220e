/** Asks a storage and makes the answers comparable: of two storages in Node, or of one in Node and one in workerd. */
import { createHash, randomBytes } from "node:crypto";
import { nodeCipher } from "../../durable-objects/cipher.ts";
import type { SparkVault } from "../../durable-objects/spark/storage.ts";
import type { Sql } from "../../durable-objects/sql.ts";
import { openRecord, sealRecord, type RecordKey } from "../../lightning/seal.ts";
import { call, Dice, type Call } from "./storage-calls.ts";

export type AnyStorage = { readonly [method: string]: (...args: readonly unknown[]) => Promise<unknown> };

export function vaultOver(sql: Sql, key: RecordKey = { id: 1, bytes: randomBytes(32) }): SparkVault {
  return {
    sql,
    seal: (context, plain) => sealRecord(nodeCipher, key, randomBytes(12), context, plain),
    open: (context, sealed) => openRecord(nodeCipher, key, context, sealed),
  };
}

export const asAny = (storage: object): AnyStorage => storage as unknown as AnyStorage;

export type Answer = { readonly value: unknown } | { readonly rejected: true };

export async function ask(storage: AnyStorage, { method, args }: Call): Promise<Answer> {
  const run = storage[method];
  if (run === undefined) throw new Error(`there is no ${method}`);
  try {
    return { value: plain(await run(...args)) };
  } catch {
    return { rejected: true };
  }
}

/** Absent, undefined and null are one and the same "none" to the SDK; so are a `Map` and an object. */
function plain(value: unknown): unknown {
  if (value == null) return null;
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Map) return plain(Object.fromEntries(value));
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object") return value;
  const members = Object.entries(value).filter(([, member]) => member != null);
  return Object.fromEntries(members.map(([name, member]) => [name, plain(member)]));
}

/**
 * What a storage answers to 200 random calls, as one hash. Our storage gives this one wherever it runs; the SDK's own gives it too.
 * It changes with the calls themselves (storage-calls.ts).
 */
export const TRANSCRIPT = "f4d455314e5a79c327b5ddd4eb9d6329077e4f66e1b458f2255abb464591ed9c";

export async function transcript(storage: AnyStorage, translate: (each: Call) => Call = (each) => each): Promise<string> {
  const dice = new Dice(7);
  const hash = createHash("sha256");
  for (let n = 0; n < 200; n++) {
    const each = call(dice);
    hash.update(`${each.method} ${JSON.stringify(sorted(await ask(storage, translate(each))))}\n`);
  }
  return hash.digest("hex");
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1));
  return Object.fromEntries(members.map(([name, member]) => [name, sorted(member)]));
}
