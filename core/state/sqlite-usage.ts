import { setImmediate as nextTurn } from 'node:timers/promises'
import type { DocumentEngine } from './document-engine.js'
import type { SqliteConnection } from './sqlite-connection.js'
import type { UsageDay } from './store.js'

const DAYS_REMOVED_AT_ONCE = 1_000
/** Other calls wait no longer than for a few writes: one day takes some 5 microseconds. */
const DAYS_ADDED_AT_ONCE = 500

type Row = Omit<UsageDay, 'last_used_at'> & { readonly last_used_at: string | null }

/** The counts of use in the embedded store: a row for each key and day. */
export function sqliteUsage (connection: SqliteConnection): Pick<DocumentEngine, 'addUsage' | 'usageDays' | 'lastUses' | 'removeUsage'> {
  return {
    async addUsage (counts) {
      for (let from = 0; from < counts.length; from += DAYS_ADDED_AT_ONCE) {
        if (from > 0) await nextTurn()
        await connection.write(() => {
          for (const { customer_id: customer, project_id: project, credential_id: credential, day, requests, errors, last_used_at: used = null } of counts.slice(from, from + DAYS_ADDED_AT_ONCE)) {
            // max() of SQLite is null where one of them is.
            connection.run(`INSERT INTO usage (customer_id, project_id, credential_id, day, requests, errors, last_used_at) VALUES (?, ?, ?, ?, ?, ?, ?)
              ON CONFLICT DO UPDATE SET requests = requests + excluded.requests, errors = errors + excluded.errors,
              last_used_at = coalesce(max(last_used_at, excluded.last_used_at), last_used_at, excluded.last_used_at)`, customer, project, credential, day, requests, errors, used)
          }
        })
      }
    },
    usageDays: (customerId, { credentialId, projectId }, fromDay, toDay) => connection.read(() => {
      const of = [...(credentialId === undefined ? [] : [['credential_id', credentialId] as const]), ...(projectId === undefined ? [] : [['project_id', projectId] as const])]
      const rows = connection.rows<Row>(`SELECT project_id, credential_id, day, requests, errors, last_used_at FROM usage
        WHERE customer_id = ? AND day BETWEEN ? AND ?${of.map(([field]) => ` AND ${field} = ?`).join('')} ORDER BY day, project_id, credential_id`, customerId, fromDay, toDay, ...of.map(([, id]) => id))
      return rows.map(({ last_used_at: used, ...row }) => used === null ? row : { ...row, last_used_at: used })
    }),
    lastUses: (customerId, credentialIds) => connection.read(() => credentialIds.flatMap((id): [string, string][] => {
      const row = connection.row<{ used: string }>('SELECT last_used_at AS used FROM usage WHERE customer_id = ? AND credential_id = ? AND last_used_at IS NOT NULL ORDER BY day DESC LIMIT 1', customerId, id)
      return row === undefined ? [] : [[id, row.used]]
    })),
    async removeUsage (customerId) {
      const some = 'SELECT project_id, credential_id, day FROM usage WHERE customer_id = ? LIMIT ?'
      while (await connection.write(() => connection.run(`DELETE FROM usage WHERE customer_id = ? AND (project_id, credential_id, day) IN (${some})`, customerId, customerId, DAYS_REMOVED_AT_ONCE)) === DAYS_REMOVED_AT_ONCE) await nextTurn()
    }
  }
}
