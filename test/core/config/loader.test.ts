import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { createConfigLoader, type ConfigLoad, type ConfigLoader, type ConfigLoaderOptions, type LoadedProject, type UsableConfig } from '../../../core/config/loader.js'
import { packHashes, packNames, unpackNames } from '../../../core/config/loader-protocol.js'
import { ConfigError } from '../../../core/errors.js'
import { madeUpProject } from '../../fixtures/config-worker.js'

const workerUrl = new URL('../../fixtures/config-worker.js', import.meta.url)
const NONE: ReadonlyMap<string, string> = new Map()

interface Story { loader: ConfigLoader, file: string, write (projects: Readonly<Record<string, string>>): void }

/** A loader of a made-up configuration whose file holds projects and their versions. */
function story (t: Test, projects: Readonly<Record<string, string>>, options: Partial<ConfigLoaderOptions> = {}): Story {
  const file = path.join(t.testdir({}), 'gateway.txt')
  const write = (now: Readonly<Record<string, string>>): void => { writeFileSync(file, Object.entries(now).map(([name, version]) => `${name} ${version}`).join('\n')) }
  write(projects)
  const loader = createConfigLoader({ workerUrl, file, environment: null, env: {}, ...options })
  t.teardown(async () => { await loader.close() })
  return { loader, file, write }
}

function usable (load: ConfigLoad): UsableConfig {
  if (!load.ok) throw new ConfigError(load.findings)
  return load
}

async function all (load: ConfigLoad): Promise<LoadedProject[]> {
  const projects: LoadedProject[] = []
  for await (const batch of usable(load).projects) projects.push(...batch)
  return projects
}

function messageOf (load: ConfigLoad): string {
  return load.ok ? 'usable' : load.findings.map(({ message }) => message).join('; ')
}

test('loader: gives the root, the names of all projects, and those that are not known', async (t) => {
  const { loader, file, write } = story(t, { a: '1', b: '1', c: '1' })
  const first = usable(await loader.load(NONE))
  t.equal(first.root.listen.host, '127.0.0.1')
  t.strictSame([...first.hashes], [['a', 'a@1'], ['b', 'b@1'], ['c', 'c@1']])
  t.strictSame(first.files, [file])
  t.strictSame(first.authorPlugins.get('/x/mine.ts')?.bundle, '/cache/h.mjs')
  const projects = await all(first)
  t.strictSame(projects.map(({ name, hash }) => [name, hash]), [['a', 'a@1'], ['b', 'b@1'], ['c', 'c@1']])
  t.strictSame(projects[1]?.config, madeUpProject('b', 2, '1'), 'a project arrives as it was')
  write({ a: '1', b: '2', d: '1' })
  const second = usable(await loader.load(first.hashes))
  t.strictSame([...second.hashes.keys()], ['a', 'b', 'd'])
  t.strictSame((await all(second)).map(({ hash }) => hash), ['b@2', 'd@1'])
  t.equal(second.rootHash.replace('load 2', 'load 1'), first.rootHash, 'the same thread, and its cache, served both')
  t.strictSame(await all(await loader.load(second.hashes)), [], 'nothing changed, nothing is sent')
})

test('loader: the projects come in batches of limited size, a large one in stretches', async (t) => {
  const names = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`p${index}`, '1']))
  const { loader } = story(t, { ...names, huge: '1', last: '1' }, { env: { ROUTES: '10' } })
  const largest = (batches: readonly (readonly LoadedProject[])[]): number => Math.max(...batches.map((batch) => batch.reduce((sum, { name, config }) => sum + (name === 'huge' ? 0 : config.routes.length), 0)))
  for (const [known, most, when] of [[new Map([['p0', 'another']]), 200, 'while something is served'], [NONE, 1_200, 'before']] as const) {
    const load = usable(await loader.load(known))
    const batches: (readonly LoadedProject[])[] = []
    for await (const batch of load.projects) batches.push(batch)
    const projects = batches.flat()
    t.equal(projects.length, 102, when)
    t.ok(largest(batches) <= most)
    const huge = projects.find(({ name }) => name === 'huge')
    t.strictSame(huge?.config, madeUpProject('huge', 1_234, '1'), 'put together again in order')
    t.equal(projects.at(-1)?.config.routes.length, 10)
  }
})

test('loader: projects without routes arrive too', async (t) => {
  const { loader } = story(t, Object.fromEntries(Array.from({ length: 130 }, (_, index) => [`p${index}`, '1'])), { env: { ROUTES: '0' } })
  t.equal((await all(await loader.load(NONE))).length, 130)
})

test('loader: findings come alone, and no more than anybody reads', async (t) => {
  const { loader, file } = story(t, { a: '1' }, { env: { FINDINGS: '3' } })
  t.strictSame(await loader.load(NONE), { ok: false, files: [file], findings: [0, 1, 2].map((index) => ({ path: ['projects', index], message: 'wrong', remedy: 'mend it' })) })
  const { loader: other } = story(t, { a: '1' }, { env: { FINDINGS: '100000' } })
  const many = await other.load(NONE)
  t.equal(many.ok ? 0 : many.findings.length, 1_001)
  t.match(messageOf(many), 'there are 99000 findings more')
})

test('loader: a reader that stops early leaves the thread ready for the next load', async (t) => {
  const { loader } = story(t, Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`p${index}`, '1'])), { env: { ROUTES: '10' } })
  for await (const batch of usable(await loader.load(NONE)).projects) {
    t.ok(batch.length < 300)
    break
  }
  t.equal((await all(await loader.load(NONE))).length, 300)
})

test('loader: a later load takes the place of one that is going on', async (t) => {
  const { loader } = story(t, Object.fromEntries(Array.from({ length: 300 }, (_, index) => [`p${index}`, '1'])))
  const [first, second, third] = await Promise.all([loader.load(NONE), loader.load(NONE), loader.load(NONE)])
  t.equal(messageOf(first), 'a later load has begun')
  t.equal(messageOf(second), 'a later load has begun')
  const iterator = usable(third).projects[Symbol.asyncIterator]()
  t.equal((await iterator.next()).done, false)
  const fourth = await loader.load(NONE)
  await t.rejects(iterator.next(), { message: /a later load has begun/ })
  t.equal((await all(fourth)).length, 300)
})

for (const [environment, message] of [
  ['exit', 'the thread that loads the configuration ended (code 3)'],
  ['reject', 'the thread that loads the configuration broke off: nobody caught this'],
  ['hang', 'the configuration was not loaded within 300 ms'],
  ['never', 'the configuration was not loaded within 300 ms'],
  ['memory', 'the configuration takes more than 64 MB to load'],
  ['throw', /^the configuration could not be loaded: Error: the config thread answered "failed": Error: a bug/]
] as const) {
  test(`loader: a thread that is lost (${environment}) is a finding`, async (t) => {
    const short = environment === 'hang' || environment === 'never'
    const { loader, file } = story(t, { a: '1' }, { environment, timeoutMs: short ? 300 : 30_000, maxMemoryMb: 64 })
    for (const time of [1, 2]) {
      const load = await loader.load(NONE)
      t.match(messageOf(load), message, `time ${time}`)
      t.strictSame(load.files, [file], 'the file is watched on')
    }
  })
}

test('loader: a thread that is lost while projects are on their way ends the reading, and the next load has a new one', async (t) => {
  const { loader, write } = story(t, { huge: '1', a: '1' })
  const first = usable(await loader.load(NONE))
  t.same(await loader.locate([['exit']]), [null])
  await t.rejects(all(first), ConfigError)
  write({ a: '2' })
  const second = usable(await loader.load(NONE))
  t.not(second.rootHash, first.rootHash)
  t.strictSame((await all(second)).map(({ hash }) => hash), ['a@2'])
})

test('loader: projects can be fetched later than a thread may be idle: whoever starts waits for a store first', async (t) => {
  const { loader } = story(t, { huge: '1', a: '1' }, { idleMs: 20 })
  const threadOf = ({ rootHash }: UsableConfig): string => rootHash.split(' load ')[0] as string
  const first = usable(await loader.load(NONE))
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  t.strictSame((await all(first)).map(({ hash }) => hash), ['huge@1', 'a@1'])
  await new Promise((resolve) => { setTimeout(resolve, 150) })
  const second = usable(await loader.load(NONE))
  t.not(threadOf(second), threadOf(first), 'then it is idle')
  // Another load takes its place, fetched or not.
  const third = usable(await loader.load(NONE))
  t.equal(threadOf(third), threadOf(second))
  for await (const _ of third.projects) break
  await new Promise((resolve) => { setTimeout(resolve, 150) })
  t.not(threadOf(usable(await loader.load(NONE))), threadOf(third), 'and when somebody stops in the middle')
})

test('loader: an idle thread is dropped, and started again when it is needed', async (t) => {
  const { loader } = story(t, { a: '1' }, { idleMs: 30 })
  const threadOf = ({ rootHash }: UsableConfig): string => rootHash.split(' load ')[0] as string
  const first = usable(await loader.load(NONE))
  await all(first)
  const soon = usable(await loader.load(first.hashes))
  await all(soon)
  t.equal(threadOf(soon), threadOf(first))
  await new Promise((resolve) => { setTimeout(resolve, 150) })
  const later = usable(await loader.load(first.hashes))
  t.not(threadOf(later), threadOf(first))
})

test('loader: says where paths are written, also when the thread has been dropped', async (t) => {
  const { loader, file } = story(t, { a: '1' }, { idleMs: 30 })
  await all(await loader.load(NONE))
  t.strictSame(await loader.locate([['projects', 'a'], []]), [{ file, line: 1, column: 2 }, null])
  await new Promise((resolve) => { setTimeout(resolve, 150) })
  t.strictSame(await loader.locate([['projects']]), [{ file, line: 1, column: 1 }])
  const { loader: lost } = story(t, { a: '1' }, { environment: 'exit' })
  t.strictSame(await lost.locate([['projects']]), [null], 'and nothing where it can not know')
})

test('loader: shows the configuration that is being served, not one that was refused since', async (t) => {
  const { loader, file } = story(t, { a: '1' }, { environment: 'second-wrong' })
  await all(await loader.load(NONE))
  t.equal(await loader.describe(), '{"load":1}')
  t.equal((await loader.load(NONE)).ok, false)
  t.equal(await loader.describe(), '{"load":1}')
  t.strictSame((await loader.locate([['projects']])).map((position) => position?.file), [file])
  const { loader: fresh } = story(t, { a: '1' })
  t.equal(await fresh.describe(), '{"load":1}', 'it is loaded for it')
  const { loader: lost } = story(t, { a: '1' }, { environment: 'exit' })
  t.equal(await lost.describe(), null)
})

test('loader: tries a project with the files as they are served, and with none that can not be used', async (t) => {
  const { loader } = story(t, { a: '1' }, { environment: 'second-wrong' })
  await all(await loader.load(NONE))
  t.equal((await loader.load(NONE)).ok, false)
  t.match(JSON.parse(await loader.tryProject('a', 'text') ?? ''), { config: null, findings: [{ path: ['projects', 'a'], message: 'text', remedy: 'load 2' }] })
  const { loader: wrong } = story(t, { a: '1' }, { env: { FINDINGS: '1' } })
  t.match(JSON.parse(await wrong.tryProject('a', 'text') ?? ''), { findings: [{ message: /own files can not be used as they are now/ }] })
  const { loader: lost } = story(t, { a: '1' }, { environment: 'exit' })
  t.equal(await lost.tryProject('a', 'text'), null)
})

test('loader: close ends a load that is going on', async (t) => {
  const { loader } = story(t, { a: '1' }, { environment: 'never' })
  const load = loader.load(NONE)
  await loader.close()
  t.equal((await load).ok, false)
  t.equal(messageOf(await loader.load(NONE)), 'the loader is closed')
})

test('loader protocol: names and hashes survive packing', (t) => {
  for (const count of [0, 1, 1_999, 2_000, 2_001, 10_000]) {
    const names = Array.from({ length: count }, (_, index) => `näme ${index}\n`)
    t.strictSame(packNames(names).flatMap(unpackNames), names)
    const texts = packHashes(names.map((name, index) => [name, String(index)] as const))
    t.ok(texts.every((text) => unpackNames(text).length % 2 === 0), 'no pair is torn apart')
    t.strictSame(texts.flatMap(unpackNames), names.flatMap((name, index) => [name, String(index)]))
  }
  t.end()
})
