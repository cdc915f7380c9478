import type { SqliteConnection } from './sqlite-connection.js'
import { StoreTooNewError } from './store-errors.js'

/**
 * The tables, as numbered steps: `user_version` says how many of them a file has. A step that was released is never changed.
 *
 * A document stays when its record is removed (`doc` null), so that its id is never used again. `seq` numbers changes without gaps: it is
 * one more than the greatest, and written in the transaction that makes the change.
 *
 * Tenants have many keys and consumers, so what those are filtered and often sorted by has an index. A condition on another field of the same index is
 * answered by that alone, without reading the record.
 */
const STEPS: readonly string[] = [`
  CREATE TABLE docs (
    collection TEXT NOT NULL, id TEXT NOT NULL, customer_id TEXT NOT NULL, rev INTEGER NOT NULL, seq INTEGER NOT NULL, doc TEXT,
    PRIMARY KEY (collection, id)
  ) STRICT;
  CREATE UNIQUE INDEX docs_seq ON docs (seq);
  CREATE INDEX docs_tenant ON docs (collection, customer_id, id) WHERE doc IS NOT NULL;
  CREATE INDEX docs_created ON docs (collection, customer_id, doc ->> '$.created_at', id) WHERE doc IS NOT NULL;
  CREATE INDEX docs_credential_prefix ON docs (collection, doc -> '$.prefix', id) WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_token_prefix ON docs (collection, doc -> '$.prefix', id) WHERE collection = 'admin_tokens' AND doc IS NOT NULL;
  CREATE INDEX docs_audit_seq ON docs (collection, doc ->> '$.seq' DESC, id) WHERE collection = 'audit_records' AND doc IS NOT NULL;
  CREATE TABLE uniques (collection TEXT NOT NULL, entry TEXT NOT NULL, id TEXT NOT NULL, PRIMARY KEY (collection, entry)) STRICT, WITHOUT ROWID;
  CREATE INDEX uniques_id ON uniques (collection, id);
  CREATE TABLE usage (
    customer_id TEXT NOT NULL, project_id TEXT NOT NULL, credential_id TEXT NOT NULL, day TEXT NOT NULL,
    requests INTEGER NOT NULL, errors INTEGER NOT NULL,
    PRIMARY KEY (customer_id, project_id, credential_id, day)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX usage_credential ON usage (customer_id, credential_id, day);
  CREATE TABLE leases (name TEXT NOT NULL PRIMARY KEY, holder TEXT NOT NULL, expires_at INTEGER NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
`, `
  CREATE INDEX docs_credential_status ON docs (collection, doc -> '$.status', customer_id, id, doc -> '$.project_id') WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_credential_project ON docs (collection, doc -> '$.project_id', customer_id, id, doc -> '$.status') WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_credential_consumer ON docs (collection, doc -> '$.consumer_id', customer_id, id, doc -> '$.status') WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_credential_plan ON docs (collection, doc -> '$.plan_id', customer_id, id, doc -> '$.status') WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_credential_name ON docs (collection, customer_id, doc ->> '$.name', id) WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_credential_end ON docs (collection, customer_id, doc ->> '$.expires_at', id) WHERE collection = 'credentials' AND doc IS NOT NULL;
  CREATE INDEX docs_consumer_status ON docs (collection, doc -> '$.status', customer_id, id) WHERE collection = 'consumers' AND doc IS NOT NULL;
  CREATE INDEX docs_consumer_name ON docs (collection, customer_id, doc ->> '$.name', id) WHERE collection = 'consumers' AND doc IS NOT NULL;
`, `
  CREATE INDEX docs_version_project ON docs (collection, doc -> '$.project_id', customer_id, id) WHERE collection = 'config_versions' AND doc IS NOT NULL;
`, `
  ALTER TABLE usage ADD COLUMN last_used_at TEXT;
`]

/** Brings the tables up to what this version knows, within the caller's transaction. Throws StoreTooNewError for tables of a newer version. */
export function layOut (connection: SqliteConnection): void {
  const there = connection.row<{ user_version: number }>('PRAGMA user_version')?.user_version ?? 0
  if (there > STEPS.length) throw new StoreTooNewError(there, STEPS.length)
  for (const step of STEPS.slice(there)) for (const sql of step.split(';')) if (sql.trim() !== '') connection.run(sql)
  if (there < STEPS.length) connection.run(`PRAGMA user_version = ${STEPS.length}`)
}
