import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { importAuthorPlugin } from '../../core/config/author-plugin.js'
import { createConfigLoader, type ConfigLoad, type ConfigLoader, type LoadedProject, type UsableConfig } from '../../core/config/loader.js'
import { watchFiles } from '../../core/config/watch.js'
import { ConfigError, formatFinding } from '../../core/errors.js'

const NONE: ReadonlyMap<string, string> = new Map()

const ROOT = `listen: { host: 127.0.0.1, port: 0 }
plugins: [ security-headers ]
include: [ "projects/*.yaml" ]
`

function project (name: string, plugins: string, target = 'http://127.0.0.1:9001'): string {
  return `projects:
  ${name}:
    hosts: [ ${name}.example.com ]
    upstreams:
      main: { targets: [ "${target}" ] }
    plugins: ${plugins}
    routes:
      - { id: all, match: { path: "/*" }, upstream: main }
`
}

const CORS = '[ cors: { origins: [ "https://example.com" ] } ]'

function plugin (status: number): string {
  return `import { Type, definePlugin, reply } from 'sluice'
import { body } from './body.js'

export default definePlugin({
  name: 'tea-time',
  stage: 'limit',
  config: Type.Object({ loud: Type.Boolean({ default: false }) }, { additionalProperties: false }),
  create: ({ loud }) => ({ request: () => reply(${status}, { body: loud ? body.toUpperCase() : body }) })
})
`
}

interface Story { loader: ConfigLoader, directory: string, write (name: string, text: string): void }

/** A configuration on the disk: two projects, one with an author's plugin. */
function story (t: Test, env: Readonly<Record<string, string>> = {}): Story {
  const directory = t.testdir({
    'gateway.config.yaml': ROOT,
    plugins: { 'tea.ts': plugin(418), 'body.ts': 'export const body: string = "short and stout"\n' },
    projects: { 'a.yaml': project('a', '[ { use: ../plugins/tea.ts, config: { loud: true } } ]'), 'b.yaml': project('b', CORS) }
  })
  const loader = createConfigLoader({ workerUrl: new URL('../../bin/config-worker.js', import.meta.url), file: path.join(directory, 'gateway.config.yaml'), environment: null, env })
  t.teardown(async () => { await loader.close() })
  return { loader, directory, write: (name, text) => { writeFileSync(path.join(directory, name), text) } }
}

function usable (load: ConfigLoad): UsableConfig {
  if (!load.ok) throw new ConfigError(load.findings)
  return load
}

async function changed (load: ConfigLoad): Promise<LoadedProject[]> {
  const projects: LoadedProject[] = []
  for await (const batch of usable(load).projects) projects.push(...batch)
  return projects
}

function lines (load: ConfigLoad): string[] {
  return load.ok ? [] : load.findings.map(formatFinding)
}

test('config thread: loads files, and the author\'s plugin that was checked is the one that is imported', async (t) => {
  const { loader, directory } = story(t)
  const load = usable(await loader.load(NONE))
  t.strictSame(load.root.plugins.map(({ name }) => name), ['security-headers'])
  const projects = await changed(load)
  t.strictSame(projects.map(({ name }) => name), ['a', 'b'])
  const use = projects[0]?.config.plugins[0]
  t.match(use, { name: 'tea-time', use: path.join(directory, 'plugins', 'tea.ts'), config: { loud: true } })
  for (const name of ['gateway.config.yaml', 'projects/a.yaml', 'projects/b.yaml', 'plugins/tea.ts', 'plugins/body.ts']) {
    t.ok(load.files.includes(path.join(directory, name)), `${name} is to be watched`)
  }
  const bundle = load.authorPlugins.get(use?.use ?? '')
  if (bundle === undefined) throw new Error('there is no bundle of it')
  const { request } = await (await importAuthorPlugin(bundle)).create(use?.config, {} as never)
  t.match(await request?.({} as never), { status: 418, body: 'SHORT AND STOUT' })
})

test('config thread: a change of an author\'s plugin changes the projects that use it, and no others', async (t) => {
  const { loader, write } = story(t)
  const first = usable(await loader.load(NONE))
  await changed(first)
  write('plugins/body.ts', 'export const body: string = "tip me over"\n')
  const second = usable(await loader.load(first.hashes))
  t.strictSame((await changed(second)).map(({ name }) => name), ['a'])
  t.strictSame(second.rootHash, first.rootHash)
  write('projects/b.yaml', project('b', CORS, 'http://127.0.0.1:9002'))
  t.strictSame((await changed(await loader.load(second.hashes))).map(({ name }) => name), ['b'])
})

test('config thread: what is wrong with an author\'s plugin is told at its place, and it is watched until it is mended', async (t) => {
  const { loader, directory, write } = story(t)
  write('plugins/body.ts', 'export const body = = 1\n')
  const refused = await loader.load(NONE)
  t.match(lines(refused), [/projects\/a.yaml:6:23 projects\.a\.plugins\[0\]\.use: /])
  t.match(lines(refused)[0], `${path.join(directory, 'plugins', 'body.ts')}:1:21: `)
  t.ok(refused.files.includes(path.join(directory, 'plugins', 'body.ts')))
  write('plugins/body.ts', 'export const body = "mended"\n')
  t.equal((await loader.load(NONE)).ok, true)
  write('plugins/tea.ts', 'process.exit(1)\n')
  t.match(lines(await loader.load(NONE)), ['the thread that loads the configuration ended (code 1)'])
  write('plugins/tea.ts', 'for (;;);\n')
  const impatient = createConfigLoader({ workerUrl: new URL('../../bin/config-worker.js', import.meta.url), file: path.join(directory, 'gateway.config.yaml'), environment: null, env: {}, timeoutMs: 1_500 })
  t.teardown(async () => { await impatient.close() })
  t.match(lines(await impatient.load(NONE)), ['the configuration was not loaded within 1500 ms'])
})

test('config thread: the checks of the pipeline run there, and the environment comes as data', async (t) => {
  const { loader, directory, write } = story(t, { TARGET: 'http://127.0.0.1:9003' })
  write('projects/b.yaml', project('b', '[ { request-size: { maxBody: 1mb } }, { request-size: { maxBody: 2mb } } ]'))
  t.match(lines(await loader.load(NONE)), [/projects\/b.yaml:6:[0-9]+ projects\.b\.plugins/])
  write('projects/b.yaml', project('b', CORS, '${TARGET}'))
  const projects = await changed(await loader.load(NONE))
  t.equal(projects[1]?.config.upstreams.main?.targets[0]?.url, 'http://127.0.0.1:9003')
  t.match(await loader.locate([['projects', 'b', 'routes', 0]]), [{ file: path.join(directory, 'projects', 'b.yaml'), line: 8 }])
  t.match(JSON.parse(await loader.describe() ?? ''), { projects: { b: { upstreams: { main: { targets: ['${TARGET}'] } } } } })
})

test('config thread: a project in a new file that a pattern includes is seen by the watcher', async (t) => {
  const { loader, write } = story(t)
  let tell: (files: string[]) => void = () => undefined
  const watcher = watchFiles((files) => { tell(files) }, { debounceMs: 20 })
  t.teardown(() => { watcher.close() })
  // What was written in the same millisecond could have been written after the reading.
  await setTimeout(20)
  const readAt = Date.now()
  const load = usable(await loader.load(NONE))
  await changed(load)
  await watcher.setFiles(load.files, readAt)
  const told = new Promise<string[]>((resolve) => { tell = resolve })
  write('projects/c.yaml', project('c', '[]'))
  t.match((await told).map((file) => path.basename(file)), ['projects'])
  t.strictSame((await changed(await loader.load(load.hashes))).map(({ name }) => name), ['c'])
})

test('config thread: the shipped plugins\' source is not bundled into an author\'s', async (t) => {
  const { loader } = story(t)
  const load = usable(await loader.load(NONE))
  const [bundle] = [...load.authorPlugins.values()]
  t.ok(bundle !== undefined && readFileSync(bundle.bundle, 'utf8').includes('/core/index.js'))
})
