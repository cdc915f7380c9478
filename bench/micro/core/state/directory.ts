/**
 * The directory with 100 000 and with 1 000 000 keys: how long it takes to fill, what it keeps in memory, what a look-up costs, and its snapshot
 * on disk. Run: node --expose-gc dist/bench/micro/core/state/directory.js [--quick]
 *
 * Keys, digests and pepper are real. A look-up's own cost is measured with the digest taken before: hashing is what any check of a key costs.
 */
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { createApiKey, parseApiKey } from '../../../../core/state/api-key.js'
import { Directory } from '../../../../core/state/directory.js'
import { createSnapshotSeal, readDirectorySnapshot, writeDirectorySnapshot } from '../../../../core/state/directory-snapshot.js'
import { createKeyReader, type KeyReader } from '../../../../core/state/key-reader.js'
import { createKeyRing } from '../../../../core/state/key-ring.js'
import type { Consumer, Credential, RecordBase } from '../../../../core/state/records.js'
import { nsPerCall } from '../../ns-per-call.js'
import { QUICK } from '../../quick.js'

setFlagsFromString('--expose-gc')
const collect = runInNewContext('gc') as () => void

const ringKeys = { active: 'k1', keys: [{ id: 'k1', createdAt: '2026-01-01T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }] }
const ringContent = { encryption: ringKeys, peppers: ringKeys }
const ring = createKeyRing(() => ringContent)
const reader = createKeyReader(ring)
const KEYS_PER_CONSUMER = 2
const BATCH = 1_000
const TRIED = 4_096

/** Bytes that live: of objects, and of the buffers behind them. */
function memory (): number {
  for (let n = 0; n < 4; n++) collect()
  const { heapUsed, arrayBuffers } = process.memoryUsage()
  return heapUsed + arrayBuffers
}

function base (at: number): RecordBase {
  const time = new Date(at).toISOString()
  return { customer_id: 'acct_7f3k2m9q', rev: 1, created_at: time, updated_at: time }
}

/** A batch of records, as an engine gives them: parsed from text, so that nothing is shared with what made them. */
function batch (from: number, to: number, keys: string[]): { consumers: Consumer[], credentials: Credential[] } {
  const consumers: Consumer[] = []
  const credentials: Credential[] = []
  for (let n = from; n < to; n++) {
    const { text, prefix } = createApiKey()
    if (keys.length < TRIED && n % 7 === 0) keys.push(text)
    const { digest, pepper_id: pepperId } = ring.digest(text)
    const consumer = `cons_${Math.floor(n / KEYS_PER_CONSUMER).toString(36).padStart(12, '0')}`
    if (n % KEYS_PER_CONSUMER === 0) consumers.push({ ...base(n), consumer_id: consumer, name: `Consumer ${n}`, status: 'active', metadata: { tier: 'pro', contact: `c${n}@example.com` } })
    credentials.push({
      ...base(n), credential_id: `cred_${n.toString(36).padStart(12, '0')}`, project_id: 'shop-7f3k2m', consumer_id: consumer, kind: 'api_key', name: `key ${n}`, prefix, digest,
      pepper_id: pepperId, secret: null, status: 'active', plan_id: 'plan_pro', limits: null, allowed_networks: [], require_signature: false, expires_at: '2027-11-26T00:00:00.000Z',
      last_used_at: null, revoked_at: null, replaced_by: null
    })
  }
  return JSON.parse(JSON.stringify({ consumers, credentials })) as { consumers: Consumer[], credentials: Credential[] }
}

async function measure (count: number): Promise<void> {
  const keys: string[] = []
  const before = memory()
  const directory = new Directory(reader, () => Date.parse('2026-11-26T00:00:00.000Z'))
  const { tables } = directory
  tables.put('accounts', { customer_id: 'acct_7f3k2m9q', status: 'active' })
  tables.put('projects', { ...base(0), project_id: 'shop-7f3k2m', target_url: 'http://192.0.2.1', auth_type: 'api_key', active: true, api_version: null, config: null, written_by: 'tenant', config_version: 1, config_author: 'operator', config_comment: null })
  tables.put('plans', { plan_id: 'plan_pro', customer_id: 'acct_7f3k2m9q', name: 'Pro', limits: { requests: '1000/h' } })
  let fillMs = 0
  for (let from = 0; from < count; from += BATCH) {
    const { consumers, credentials } = batch(from, Math.min(from + BATCH, count), keys)
    const startedAt = performance.now()
    for (const consumer of consumers) tables.put('consumers', consumer)
    for (const credential of credentials) tables.put('credentials', credential)
    fillMs += performance.now() - startedAt
  }
  console.log(`\n${count.toLocaleString('en')} keys, ${Math.ceil(count / KEYS_PER_CONSUMER).toLocaleString('en')} consumers`)
  console.log(`  filled in ${fillMs.toFixed(0)} ms, ${(fillMs * 1e6 / count).toFixed(0)} ns a key`)
  console.log(`  memory ${((memory() - before) / 1024 / 1024).toFixed(1)} MB, ${Math.round((memory() - before) / count)} bytes a key`)

  // The same tables, read with digests that were taken before.
  const digests = new Map(keys.map((key) => [key, reader.digest(key, 'k1')]))
  const prefixes = new Map(keys.map((key) => [key, parseApiKey(key)?.prefix ?? null]))
  const known: KeyReader = { prefixOf: (key) => prefixes.get(key) ?? null, digest: (key) => digests.get(key) ?? null }
  const looking = new Directory(known, () => Date.parse('2026-11-26T00:00:00.000Z'))
  looking.adopt(tables)
  const at = (n: number): string => keys[n & (keys.length - 1)] as string
  if (looking.lookUpKey('shop-7f3k2m', at(1))?.refused !== null) throw new Error('a key is not found')
  const unknown = Array.from({ length: 1_024 }, () => createApiKey().text)
  console.log(`  look-up ${nsPerCall((n) => { looking.lookUpKey('shop-7f3k2m', at(n)) }).toFixed(0)} ns without format and digest`)
  console.log(`  look-up ${nsPerCall((n) => { directory.lookUpKey('shop-7f3k2m', at(n)) }).toFixed(0)} ns with them; of an unknown key ${nsPerCall((n) => { directory.lookUpKey('shop-7f3k2m', unknown[n & 1_023] as string) }).toFixed(0)} ns`)

  const folder = mkdtempSync(join(tmpdir(), 'sluice-bench-'))
  try {
    const path = join(folder, 'directory.snapshot')
    const seal = createSnapshotSeal(ring)
    let startedAt = performance.now()
    await writeDirectorySnapshot(path, { tables, seq: 1, asOf: 0 }, seal)
    const writeMs = performance.now() - startedAt
    startedAt = performance.now()
    await readDirectorySnapshot(path, seal)
    console.log(`  snapshot ${(statSync(path).size / 1024 / 1024).toFixed(1)} MB, written in ${writeMs.toFixed(0)} ms, read in ${(performance.now() - startedAt).toFixed(0)} ms`)
  } finally {
    rmSync(folder, { recursive: true })
  }
}

await measure(100_000)
if (!QUICK) await measure(1_000_000)
