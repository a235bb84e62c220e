/**
 * The nine methods of the SDK's real-time sync between devices. A wallet in server mode never calls them: they are here because the
 * interface has them, and a half of an interface is a trap. Field maps come and go as `Map`; the SDK's Node storage writes a `Map` as
 * "{}", which is its bug and not imitated.
 */
import type { Sql } from "../sql.ts";
import { mustOpenJson, sealJson, type SparkVault } from "./storage-sealed.ts";
import type { StoredFields } from "./storage-shapes.ts";
import type { RuntimeIncoming, RuntimeOutgoing, RuntimeRecord, RuntimeStorage } from "./storage-runtime.ts";

type SyncMethods = Pick<RuntimeStorage, Extract<keyof RuntimeStorage, `sync${string}`>>;

interface StateRow {
  readonly state_schema: string | null;
  readonly state_revision: number | null;
  readonly state_sealed: Uint8Array | null;
}
interface OutgoingRow extends StateRow {
  readonly seq: number;
  readonly record_type: string;
  readonly data_id: string;
  readonly schema_version: string;
  readonly sealed: Uint8Array;
}
interface IncomingRow extends Omit<OutgoingRow, "seq"> {
  readonly revision: number;
}

const STATE = "s.schema_version AS state_schema, s.revision AS state_revision, s.sealed AS state_sealed";
const OUTGOING = `SELECT o.seq, o.record_type, o.data_id, o.schema_version, o.sealed, ${STATE}
  FROM spark_sync_outgoing o LEFT JOIN spark_sync_state s ON s.record_type = o.record_type AND s.data_id = o.data_id`;
const INCOMING = `SELECT i.record_type, i.data_id, i.schema_version, i.revision, i.sealed, ${STATE}
  FROM spark_sync_incoming i LEFT JOIN spark_sync_state s ON s.record_type = i.record_type AND s.data_id = i.data_id`;

/** @param now epoch ms */
export function syncStorage(vault: SparkVault, now: () => number): SyncMethods {
  const { sql } = vault;

  const stateOf = (row: StateRow & { readonly record_type: string; readonly data_id: string }): RuntimeRecord | null =>
    row.state_sealed === null || row.state_revision === null || row.state_schema === null
      ? null
      : {
          id: { type: row.record_type, dataId: row.data_id },
          revision: BigInt(row.state_revision),
          schemaVersion: row.state_schema,
          data: asMap(mustOpenJson(vault, "spark_sync_state", [row.record_type, row.data_id], row.state_sealed)),
        };

  const outgoing = (row: OutgoingRow): RuntimeOutgoing => {
    const parent = stateOf(row);
    return {
      change: {
        id: { type: row.record_type, dataId: row.data_id },
        schemaVersion: row.schema_version,
        updatedFields: asMap(mustOpenJson(vault, "spark_sync_outgoing", [row.record_type, row.data_id, row.seq], row.sealed)),
        localRevision: BigInt(row.seq),
      },
      ...(parent === null ? {} : { parent }),
    };
  };

  const incoming = (row: IncomingRow): RuntimeIncoming => {
    const oldState = stateOf(row);
    return {
      newState: {
        id: { type: row.record_type, dataId: row.data_id },
        revision: BigInt(row.revision),
        schemaVersion: row.schema_version,
        data: asMap(mustOpenJson(vault, "spark_sync_incoming", [row.record_type, row.data_id, row.revision], row.sealed)),
      },
      ...(oldState === null ? {} : { oldState }),
    };
  };

  const putState = ({ id, revision, schemaVersion, data }: RuntimeRecord): void => {
    sql.rows(
      `INSERT INTO spark_sync_state (record_type, data_id, schema_version, changed_at, revision, sealed) VALUES (?,?,?,?,?,?)
       ON CONFLICT (record_type, data_id) DO UPDATE SET schema_version = excluded.schema_version, changed_at = excluded.changed_at,
         revision = excluded.revision, sealed = excluded.sealed`,
      id.type,
      id.dataId,
      schemaVersion,
      now(),
      Number(revision),
      sealJson(vault, "spark_sync_state", [id.type, id.dataId], asObject(data)),
    );
    sql.rows(
      "INSERT INTO spark_sync_revision (only, revision) VALUES (1, ?) ON CONFLICT (only) DO UPDATE SET revision = MAX(revision, excluded.revision)",
      Number(revision),
    );
  };

  return {
    /** @returns the change's place in the local queue, which is no revision of the server's */
    async syncAddOutgoingChange({ id, schemaVersion, updatedFields }) {
      return sql.transaction(() => {
        const seq = nextSeq(sql);
        sql.rows(
          "INSERT INTO spark_sync_outgoing (seq, record_type, data_id, schema_version, changed_at, sealed) VALUES (?,?,?,?,?,?)",
          seq,
          id.type,
          id.dataId,
          schemaVersion,
          now(),
          sealJson(vault, "spark_sync_outgoing", [id.type, id.dataId, seq], asObject(updatedFields)),
        );
        return BigInt(seq);
      });
    },

    async syncCompleteOutgoingSync(record, localRevision) {
      sql.transaction(() => {
        sql.rows(
          "DELETE FROM spark_sync_outgoing WHERE record_type = ? AND data_id = ? AND seq = ?",
          record.id.type,
          record.id.dataId,
          Number(localRevision),
        );
        putState(record);
      });
    },

    async syncGetPendingOutgoingChanges(limit) {
      return sql.rows<OutgoingRow>(`${OUTGOING} ORDER BY o.seq LIMIT ?`, limit).map(outgoing);
    },

    async syncGetLatestOutgoingChange() {
      const [row] = sql.rows<OutgoingRow>(`${OUTGOING} ORDER BY o.seq DESC LIMIT 1`);
      return row === undefined ? null : outgoing(row);
    },

    async syncGetLastRevision() {
      return BigInt(sql.rows<{ revision: number }>("SELECT revision FROM spark_sync_revision WHERE only = 1")[0]?.revision ?? 0);
    },

    async syncInsertIncomingRecords(records) {
      sql.transaction(() => {
        for (const { id, schemaVersion, revision, data } of records)
          // Replaced whole: one that comes again goes behind others of its revision.
          sql.rows(
            "INSERT OR REPLACE INTO spark_sync_incoming (record_type, data_id, schema_version, changed_at, revision, sealed) VALUES (?,?,?,?,?,?)",
            id.type,
            id.dataId,
            schemaVersion,
            now(),
            Number(revision),
            sealJson(vault, "spark_sync_incoming", [id.type, id.dataId, Number(revision)], asObject(data)),
          );
      });
    },

    async syncDeleteIncomingRecord({ id, revision }) {
      sql.rows(
        "DELETE FROM spark_sync_incoming WHERE record_type = ? AND data_id = ? AND revision = ?",
        id.type,
        id.dataId,
        Number(revision),
      );
    },

    async syncGetIncomingRecords(limit) {
      return sql.rows<IncomingRow>(`${INCOMING} ORDER BY i.revision, i.seq LIMIT ?`, limit).map(incoming);
    },

    async syncUpdateRecordFromIncoming(record) {
      sql.transaction(() => putState(record));
    },
  };
}

function nextSeq(sql: Sql): number {
  return sql.rows<{ next: number }>("SELECT COALESCE(MAX(seq), 0) + 1 AS next FROM spark_sync_outgoing")[0]?.next ?? 1;
}

const asMap = (fields: StoredFields): Map<string, string> => new Map(Object.entries(fields));
const asObject = (fields: ReadonlyMap<string, string>): StoredFields => Object.fromEntries(fields);
