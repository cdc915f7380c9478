import { setTimeout as sleep } from 'node:timers/promises'
import { test, type Test } from 'tap'
import type { DocumentEngine } from '../../../core/state/document-engine.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { led, makeWorld, missingLike, requestFor, sendWalk, type WalkRequest } from '../../fixtures/operation-walk.js'
import { createMemoryEngine } from '../../fixtures/memory-engine.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const PAIRS = 60
const LEAK_MS = 5
const ROUNDS = 3
// Of one comparison in 16 000 without a difference, one looks like this by chance; of three in a row, none.
const CLEARLY = 4

interface Compared { readonly z: number, readonly foreignMs: number, readonly missingMs: number }

async function embeddedStore (t: Test): Promise<OpenStore> {
  const open = openDocumentStore(await openSqliteEngine({ path: tempDir(t) }))
  t.teardown(() => open.close())
  return open
}

const median = (times: readonly number[]): number => [...times].sort((a, b) => a - b)[times.length >> 1] ?? NaN

/** Asks for both in turn, each first as often as the other. `z`: by how many standard deviations one was slower more often than a coin would have it; no outlier weighs more than others. */
async function compare (api: AdminApiFixture, foreign: WalkRequest, missing: WalkRequest, token: string): Promise<Compared> {
  const timed = async (request: WalkRequest): Promise<number> => {
    const from = performance.now()
    await sendWalk(api, request, token)
    return performance.now() - from
  }
  const times: { foreign: number[], missing: number[] } = { foreign: [], missing: [] }
  let slower = 0
  for (let pair = 0; pair < PAIRS; pair++) {
    const first = pair % 2 === 0 ? await timed(foreign) : null
    const other = await timed(missing)
    const mine = first ?? await timed(foreign)
    times.foreign.push(mine)
    times.missing.push(other)
    if (mine > other) slower++
  }
  return { z: (slower - PAIRS / 2) / Math.sqrt(PAIRS / 4), foreignMs: median(times.foreign), missingMs: median(times.missing) }
}

/** Whether the two differ round after round, and in the same direction. */
async function differs (api: AdminApiFixture, foreign: WalkRequest, missing: WalkRequest, token: string): Promise<Compared | null> {
  let sign = 0
  for (let round = 1; ; round++) {
    const compared = await compare(api, foreign, missing, token)
    if (Math.abs(compared.z) < CLEARLY || (sign !== 0 && Math.sign(compared.z) !== sign)) return null
    sign = Math.sign(compared.z)
    if (round === ROUNDS) return compared
  }
}

async function prepare (t: Test, store: OpenStore): Promise<{ api: AdminApiFixture, token: string, pairs: { id: string, foreign: WalkRequest, missing: WalkRequest }[] }> {
  const api = await openAdminApi(t, { open: store })
  const victim = await makeWorld(api, 'acme')
  const own = await makeWorld(api, 'umbrella')
  const token = await api.token('umbrella', 'owner')
  const pairs = OPERATIONS.filter(({ url }) => url.includes(':id')).map((operation) => {
    const request = requestFor(operation, own)
    const reference = request.references.find(({ part }) => part === 'path')!
    const id = victim.ids[reference.kind]!
    return { id: operation.id, foreign: led(request, reference, id), missing: led(request, reference, missingLike(id)) }
  })
  // What is compiled, and learned by the machine, at first use.
  for (const { foreign, missing } of pairs) for (let warm = 0; warm < 10; warm++) for (const request of [foreign, missing]) await sendWalk(api, request, token)
  return { api, token, pairs }
}

test('foreign timing: another account\'s id takes as long as a missing one', async (t) => {
  t.setTimeout(120_000)
  const { api, token, pairs } = await prepare(t, await embeddedStore(t))
  const shown = pairs.filter(({ id }) => id.endsWith('.get'))
  const typical: Compared[] = []
  for (const { id, foreign, missing } of shown) {
    const found = await differs(api, foreign, missing, token)
    if (found !== null) t.fail(id, found)
    typical.push(await compare(api, foreign, missing, token))
  }
  t.ok(shown.length >= 9, `${shown.length} operations`)
  t.comment(`medians of all: ${median(typical.map(({ foreignMs }) => foreignMs)).toFixed(3)} ms and ${median(typical.map(({ missingMs }) => missingMs)).toFixed(3)} ms`)
})

test('foreign timing: what would take longer for records that are there would be found out', async (t) => {
  t.setTimeout(120_000)
  const store = await embeddedStore(t)
  const { api, token, pairs } = await prepare(t, leaky(store, () => sleep(LEAK_MS)))
  const { foreign, missing } = pairs.find(({ id }) => id === 'consumers.get')!
  const found = await differs(api, foreign, missing, token)
  t.ok(found !== null && found.z > 0, 'it is slower for what is there', { found })
})

test('foreign timing: the store is asked the same for another account\'s id as for a missing one, in every operation', async (t) => {
  const asked: string[] = []
  const { api, token, pairs } = await prepare(t, openDocumentStore(listening(createMemoryEngine(), asked)))
  const callsOf = async (of: AdminApiFixture, by: string, request: WalkRequest): Promise<string> => {
    asked.length = 0
    await sendWalk(of, request, by)
    return asked.join(' ')
  }
  // Who the token is of is remembered for half a second: that is asked beforehand.
  const same = async (of: AdminApiFixture, by: string, { foreign, missing }: typeof pairs[number]): Promise<[string, string]> => {
    for (;;) {
      const from = performance.now()
      await sendWalk(of, missing, by)
      const both: [string, string] = [await callsOf(of, by, foreign), await callsOf(of, by, missing)]
      if (performance.now() - from < 400 && !both.some((calls) => calls.includes('admin_tokens:find'))) return both
    }
  }
  for (const pair of pairs) {
    const [foreign, missing] = await same(api, token, pair)
    t.equal(foreign, missing, `${pair.id}: ${foreign}`)
  }
  t.ok(pairs.length >= 45, `${pairs.length} operations`)
  const wrong = await prepare(t, leaky(openDocumentStore(listening(createMemoryEngine(), asked)), async () => {}))
  const [foreign, missing] = await same(wrong.api, wrong.token, wrong.pairs.find(({ id }) => id === 'consumers.get')!)
  t.not(foreign, missing, 'a store that looks for records of others is found out')
})

/** A store that looks for consumers of all accounts, and refuses those of others behind that. */
function leaky (store: OpenStore, more: () => Promise<unknown>): OpenStore {
  const { consumers } = store.store
  return {
    ...store,
    store: { ...store.store, consumers: {
      ...consumers,
      async get (customerId, id) {
        if (await store.system.find('consumers', id) === null) return null
        await more()
        return await consumers.get(customerId, id)
      }
    } }
  }
}

/** An engine that tells what it is asked. */
function listening (engine: DocumentEngine, asked: string[]): DocumentEngine {
  return new Proxy(engine, {
    get (target, name) {
      const method = target[name as keyof DocumentEngine] as unknown
      if (typeof method !== 'function') return method
      return (...given: unknown[]): unknown => {
        asked.push(`${String(given[0])}:${String(name)}`)
        return (method as (...all: unknown[]) => unknown).apply(target, given)
      }
    }
  })
}
