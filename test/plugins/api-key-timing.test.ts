import { createSecretKey, randomBytes } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { test } from 'tap'
import type { Directory as ProjectDirectory, Host } from '../../core/host.js'
import { randomBase62, toBase62 } from '../../core/lib/base62.js'
import { HeaderList } from '../../core/lib/header-list.js'
import type { RequestContext } from '../../core/plugin.js'
import { createApiKey } from '../../core/state/api-key.js'
import { Directory } from '../../core/state/directory.js'
import { createKeyReader } from '../../core/state/key-reader.js'
import { createKeyRing } from '../../core/state/key-ring.js'
import apiKey from '../../plugins/api-key/index.js'
import { records } from '../fixtures/directory.js'
import { measureTimings } from '../fixtures/timing.js'

const KEYS = 10_000
const SAMPLES = 10_000
/** Different keys of each kind: more than the processor's caches remember. */
const VARIANTS = 5_000
const [PREFIX, BODY, CHECKSUM] = [16, 38, 6]
/** Of what the leaky look-up gives away, as much may be left. */
const MOST_OF_LEAK = 0.05

/** One piece of memory, as what comes from a socket is: what is joined of pieces is put together when it is first read. */
function flat (text: string): string {
  return Buffer.from(text).toString('latin1')
}

/** A key that begins like this and is nobody's, with a checksum that holds. */
function keyLike (beginning: string): string {
  const body = `${beginning}${randomBase62(BODY - beginning.length)}`
  return flat(`${body}${toBase62(crc32(body), CHECKSUM)}`)
}

function withOddChecksum (key: string): string {
  return flat(`${key.slice(0, -1)}${key.endsWith('a') ? 'b' : 'a'}`)
}

function oneOf (list: readonly string[]): string {
  return list[Math.floor(Math.random() * list.length)] as string
}

/** Many keys, half of them of the project `shop`. */
function fill (): { port: ProjectDirectory, own: string[], foreign: string[] } {
  const keys = [{ id: 'k1', createdAt: '2026-01-01T00:00:00.000Z', key: createSecretKey(randomBytes(32)) }]
  const content = { encryption: { active: 'k1', keys }, peppers: { active: 'k1', keys } }
  const ring = createKeyRing(() => content)
  const directory = new Directory(createKeyReader(ring))
  const { tables } = directory
  tables.put('accounts', records.account('acme'))
  tables.put('consumers', records.consumer('ada'))
  for (const id of ['shop', 'other']) tables.put('projects', records.project(id))
  const issued: [string[], string[]] = [[], []]
  for (let index = 0; index < KEYS; index++) {
    const { text, prefix } = createApiKey()
    tables.put('credentials', { ...records.credential(`c${index}`, 'x.1', 'ada', index % 2 === 0 ? 'shop' : 'other'), prefix, ...ring.digest(text) })
    issued[index % 2 === 0 ? 0 : 1].push(flat(text))
  }
  return { port: directory.forProject('shop'), own: issued[0], foreign: issued[1] }
}

/** The plugin's request step with this directory, ready to be called with a key. */
async function stepOf (directory: ProjectDirectory): Promise<(key: string) => () => unknown> {
  const { request } = await apiKey.create({ header: 'x-api-key' }, { project: 'shop', directory } as Host)
  if (request === undefined) throw new Error('it has a request step')
  return (key) => {
    const ctx = { request: { headers: new HeaderList(['host', 'shop.example', 'x-api-key', key]), clientAddress: '192.0.2.7' } } as unknown as RequestContext
    return () => request(ctx)
  }
}

test('api-key timing: the time of a refusal does not tell whether a key begins like one that there is, or is another project\'s', async (t) => {
  const { port, own, foreign } = fill()
  const prefixes = new Set(own.map((key) => key.slice(0, PREFIX)))
  // The shortcut that anybody would take: without a record there is nothing to compare with.
  const leaky: ProjectDirectory = { lookUpKey: (key) => prefixes.has(key.slice(0, PREFIX)) ? port.lookUpKey(key) : null }
  const [step, leakyStep] = [await stepOf(port), await stepOf(leaky)]
  const begun = (): string => keyLike(oneOf(own).slice(0, PREFIX))
  const unknown = (): string => keyLike('ak_live_')
  const kinds = {
    begun: { step, make: begun },
    begunToo: { step, make: begun },
    unknown: { step, make: unknown },
    foreign: { step, make: () => flat(oneOf(foreign)) },
    oddBegun: { step, make: () => withOddChecksum(oneOf(own)) },
    oddUnknown: { step, make: () => withOddChecksum(unknown()) },
    leakyBegun: { step: leakyStep, make: begun },
    leakyUnknown: { step: leakyStep, make: unknown }
  }
  type Kind = keyof typeof kinds
  const keys = new Map((Object.keys(kinds) as Kind[]).map((kind) => [kind, [] as string[]]))
  // One of each in turn, so that none has its keys closer together in memory.
  for (let index = 0; index < VARIANTS; index++) for (const [kind, list] of keys) list.push(kinds[kind].make())
  const callOf = (kind: Kind) => (index: number): (() => unknown) => kinds[kind].step(keys.get(kind)?.[index % VARIANTS] as string)
  const timings = measureTimings(Object.fromEntries([...keys.keys()].map((kind) => [kind, callOf(kind)])) as Record<Kind, (index: number) => () => unknown>, SAMPLES)

  const leak = timings.compare('leakyBegun', 'leakyUnknown')
  t.ok(leak.effect > 2 && leak.differenceNs > 0, 'a look-up that leaks is found out', { found: leak })
  const alike: [one: Kind, other: Kind][] = [['begun', 'begunToo'], ['begun', 'unknown'], ['begun', 'foreign'], ['unknown', 'foreign'], ['oddBegun', 'oddUnknown']]
  for (const [one, other] of alike) {
    const found = timings.compare(one, other)
    const shown = `${found.differenceNs.toFixed(0)} ns, ${found.effect.toFixed(2)} deviations of one call, t ${found.t.toFixed(1)}`
    t.ok(Math.abs(found.effect) < 1, `${one} and ${other} differ by less than the noise: ${shown}`, { found })
    t.ok(Math.abs(found.differenceNs) < MOST_OF_LEAK * leak.differenceNs, `and by next to nothing of ${leak.differenceNs.toFixed(0)} ns: ${shown}`, { found })
  }
})
