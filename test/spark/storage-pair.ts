/** Our Spark storage and the SDK's own, side by side, with a worthless key. */
import { createRequire } from "node:module";
import { SPARK_SCHEMA } from "../../durable-objects/spark/schema.ts";
import { sparkStorage, type SparkVault } from "../../durable-objects/spark/storage.ts";
import { NodeSql } from "../support/sql-node.ts";
import { asAny, vaultOver, type AnyStorage } from "./storage-ask.ts";
import { METHODS, type Call } from "./storage-calls.ts";

export function ours(): { readonly storage: AnyStorage; readonly sql: NodeSql; readonly vault: SparkVault } {
  const sql = new NodeSql();
  sql.script(SPARK_SCHEMA);
  const vault = vaultOver(sql);
  return { storage: asAny(sparkStorage(vault, () => 1_800_000_000_000)), sql, vault };
}

interface Reference {
  initialize(): object;
  close(): void;
}

/** The SDK's Node storage; not among the package's exports, so it is required by its path. */
export function reference(): { readonly storage: AnyStorage; close(): void } {
  const { SqliteStorage } = createRequire(import.meta.url)("../../node_modules/@breeztech/breez-sdk-spark/nodejs/storage/index.cjs") as {
    readonly SqliteStorage: new (path: string) => Reference;
  };
  const made = new SqliteStorage(":memory:");
  made.initialize();
  // Its methods need their object.
  const theirs = asAny(made);
  const storage = Object.fromEntries(
    METHODS.map((method) => [
      method,
      (...args: readonly unknown[]) => theirs[method]?.apply(made, [...args]) ?? Promise.reject(new Error(method)),
    ]),
  );
  return { storage, close: () => made.close() };
}

/** For the reference: a `Map` as the object that it would have to be, because it writes a `Map` as "{}". */
export function withoutMaps({ method, args }: Call): Call {
  return { method, args: method.startsWith("sync") ? args.map(mapsAsObjects) : args };
}

function mapsAsObjects(value: unknown): unknown {
  if (value instanceof Map) return Object.fromEntries(value);
  if (Array.isArray(value)) return value.map(mapsAsObjects);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, mapsAsObjects(member)]));
}
