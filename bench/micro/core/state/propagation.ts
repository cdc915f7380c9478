/**
 * How long a revoked key lives on: on the feed of the store's own writer, and on that of another worker with the same embedded file. Run:
 * node dist/bench/micro/core/state/propagation.js [--quick]
 */
import { createHmac } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { Directory } from '../../../../core/state/directory.js'
import { openDocumentStore } from '../../../../core/state/document-store.js'
import { DirectoryFeed, POLL_MS } from '../../../../core/state/feed.js'
import type { Credential } from '../../../../core/state/records.js'
import { openSqliteEngine } from '../../../../core/state/sqlite-engine.js'
import type { NewRecord } from '../../../../core/state/store.js'
import { quantile } from '../../../lib/stats.js'
import { QUICK } from '../../quick.js'

const KEYS = QUICK ? 20 : 200
const keys = { prefixOf: (key: string) => key, digest: (key: string, pepper: string) => createHmac('sha256', pepper).update(key).digest() }
const log = { debug () {}, info () {}, warn () {}, error () {} }

async function openNode (path: string) {
  const open = openDocumentStore(await openSqliteEngine({ path }))
  const directory = new Directory(keys)
  const feed = new DirectoryFeed({ system: open.system, directory, log, pollMs: POLL_MS.embedded })
  return { open, directory, feed }
}

function credential (n: number): NewRecord<Credential> {
  return {
    credential_id: `c${n}`, project_id: 'shop', consumer_id: 'ada', kind: 'api_key', name: null, prefix: `k${n}`, digest: createHmac('sha256', 'p').update(`k${n}`).digest('base64url'),
    pepper_id: 'p', secret: null, status: 'active', plan_id: null, limits: null, allowed_networks: [], require_signature: false, expires_at: null, last_used_at: null, revoked_at: null, replaced_by: null
  }
}

const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
const writer = await openNode(folder)
const other = await openNode(folder)
const { store } = writer.open
await store.consumers.insert('local', { consumer_id: 'ada', name: 'Ada', status: 'active', metadata: {} })
const made: Credential[] = []
for (let n = 0; n < KEYS; n++) made.push(await store.credentials.insert('local', credential(n)))
await Promise.all([writer.feed.start(), other.feed.start()])

const own: number[] = []
const others: number[] = []
for (const [n, record] of made.entries()) {
  // At any time between two polls.
  await wait(Math.random() * 100)
  await store.credentials.replace('local', { ...record, status: 'revoked' })
  const revokedAt = performance.now()
  const dead = async ({ directory }: { directory: Directory }, into: number[]): Promise<void> => {
    while (directory.lookUpKey('shop', `k${n}`)?.refused !== 'revoked') await wait(1)
    into.push(performance.now() - revokedAt)
  }
  await Promise.all([dead(writer, own), dead(other, others)])
}
for (const [title, times] of [['the writer', own], ['another process with the file', others]] as const) {
  console.log(`${title}: ${[0.5, 0.95, 0.99, 1].map((q) => `${q === 1 ? 'max' : `p${q * 100}`} ${quantile(times, q).toFixed(1)} ms`).join(', ')} (${times.length} keys)`)
}
for (const { feed, open } of [writer, other]) {
  await feed.stop()
  await open.close()
}
rmSync(folder, { recursive: true })
