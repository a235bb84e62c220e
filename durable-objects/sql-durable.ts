/** The Sql port over a Durable Object's own SQLite storage. */
import { checkBindings, checkRead, refusePromise, type Bind, type Sql } from "./sql.ts";

type Storage = Pick<DurableObjectStorage, "transactionSync"> & { readonly sql: Pick<SqlStorage, "exec"> };

export function durableSql(storage: Storage): Sql {
  return {
    script: (text) => {
      storage.sql.exec(text).toArray();
    },
    // `T` is the caller's word for the row, here as in every SQL client.
    rows: <T>(query: string, ...bind: Bind[]): T[] => {
      checkBindings(bind);
      const rows = storage.sql.exec(query, ...bind).toArray();
      rows.forEach(read);
      return rows as T[];
    },
    transaction: (body) =>
      storage.transactionSync(() => {
        const value = body();
        refusePromise(value);
        return value;
      }),
  };
}

/** In place: blobs come as ArrayBuffer, and integers above 2^53 come rounded. */
function read(row: Record<string, SqlStorageValue | Uint8Array>): void {
  for (const column in row) {
    const value = row[column];
    if (value instanceof ArrayBuffer) row[column] = new Uint8Array(value);
    else checkRead(value, column);
  }
}
