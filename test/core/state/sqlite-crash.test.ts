import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteConnection } from '../../../core/state/sqlite-connection.js'
import { openSqliteEngine, SQLITE_FILE } from '../../../core/state/sqlite-engine.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const WRITER = fileURLToPath(new URL('../../fixtures/store-writer.js', import.meta.url))
const LANES = 4
const KILLS = 200
const OPEN_LIMIT_MS = 5_000

/** What the writers were told is kept, and how long they took to open. */
interface Told {
  readonly revs: Map<string, number>
  readonly opened: number[]
  audited: number
  kills: number
}

/** Lets one writer run and kills it at a random moment: most while they write, every sixth perhaps while it opens. */
async function killOne (path: string, name: string, there: string, told: Told): Promise<string> {
  const writer = spawn(process.execPath, [WRITER, path, name, there], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  let errors = ''
  const opened = new Promise<void>((resolve) => {
    writer.stdout.setEncoding('utf8').on('data', (text: string) => { output += text; resolve() })
    writer.on('exit', () => { resolve() })
  })
  writer.stderr.setEncoding('utf8').on('data', (text: string) => { errors += text })
  const closed = once(writer, 'close')
  if (told.kills++ % 6 !== 5) await opened
  await sleep(Math.random() * 80)
  writer.kill('SIGKILL')
  const [, signal] = await closed as [number | null, string | null]
  if (signal !== 'SIGKILL') throw new Error(`a writer ended by itself: ${errors}`)
  let last = there
  // What stands behind the last line break was not said whole.
  for (const [word, id = '', more = ''] of output.split('\n').slice(0, -1).map((line) => line.split(' '))) {
    if (word === 'open') {
      told.opened.push(Number(id))
      if (more !== 'found') throw new Error(`${there} was acknowledged, and is not there`)
    } else if (word === 'audit') told.audited = Math.max(told.audited, Number(id))
    else {
      told.revs.set(id, Number(more))
      last = id
    }
  }
  return last
}

test(`embedded store: ${KILLS} processes that write to it are killed, and all that they were told is kept is there`, async (t) => {
  // Most of it is starting processes, which a busy machine does slowly.
  t.setTimeout(120_000)
  const path = tempDir(t)
  await (await openSqliteEngine({ path })).close()
  const told: Told = { revs: new Map(), opened: [], audited: 0, kills: 0 }
  // Side by side: what one leaves behind, others that write have to clear away.
  await Promise.all(Array.from({ length: LANES }, async (_, lane) => {
    let last = ''
    for (let round = 0; round < KILLS / LANES; round++) last = await killOne(path, `w${lane}-${round}`, last, told)
  }))
  t.equal(told.kills, KILLS)
  const started = performance.now()
  const { store, system, audit, close } = openDocumentStore(await openSqliteEngine({ path }))
  told.opened.push(performance.now() - started)
  const kept = new Map<string, number>()
  for await (const piece of system.readAll('consumers')) for (const { consumer_id: id, rev } of piece) kept.set(id, rev)
  t.same([...told.revs].filter(([id, rev]) => (kept.get(id) ?? 0) < rev), [], `${told.revs.size} records were acknowledged`)
  t.ok(told.revs.size > KILLS / 2, 'they were killed while they wrote')
  t.ok(kept.size >= told.revs.size && kept.size <= told.revs.size + KILLS, `${kept.size} are there: at most one of each writer was not told any more`)
  const slowest = Math.max(...told.opened)
  t.ok(slowest <= OPEN_LIMIT_MS, `it opened in ${slowest.toFixed(0)} ms at most`)
  const chain = await audit.verify()
  t.equal(chain.fault, null)
  t.ok(chain.entries >= told.audited, `${chain.entries} audit entries, ${told.audited} acknowledged`)
  let seq = 0
  for (let piece = await system.changesSince(0, 1_000); piece.length > 0; piece = await system.changesSince(seq, 1_000)) seq = piece.at(-1)?.seq ?? 0
  t.equal(seq, await system.latestSeq(), 'the changes can be read to the end')
  t.match(await store.consumers.insert('acme', { consumer_id: 'after', name: 'after', status: 'active', metadata: {} }), { rev: 1 })
  await close()
  const connection = openSqliteConnection({ path: join(path, SQLITE_FILE), create: false, limitMs: 5_000, functions: {}, prepare () {} })
  t.same(connection.rows<{ integrity_check: string }>('PRAGMA integrity_check').map((row) => row.integrity_check), ['ok'])
  connection.close()
  t.comment(`${told.revs.size} records, ${chain.entries} audit entries; opened ${told.opened.length} times, in ${slowest.toFixed(0)} ms at most`)
})
