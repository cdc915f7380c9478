import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { checkArchitecture, type ArchitectureRules, type SourceTree } from './fixtures/architecture-rules.js'

const LIB = 'core/lib/'
const CONTRACT = 'core/(?:plugin|context|host|reply|errors|error-body|route)\\.ts$'
// What stands in core/ itself and is not the contract puts the engines together.
const ASSEMBLY = 'core/[^/]+\\.ts$'
const below = (...places: string[]): RegExp => new RegExp(`^(?:${places.join('|')})`)

/** Frameworks, stores and clients that the contract and the plugins get at through the host alone. */
const HEAVY = /^(?:fastify(?:-plugin)?|@fastify\/.*|undici|pino|prom-client|mongodb|ioredis|@photostructure\/sqlite|commander|esbuild|ws|sluice)(?:\/|$)/
const FASTIFY = /^(?:fastify(?:-plugin)?|@fastify\/.*|sluice)(?:\/|$)/

const engine = (name: string, sideways: string[] = []) => ({
  name: `core/${name}`, files: below(`core/${name}/`), mayImport: below(LIB, CONTRACT, ...sideways), own: 'floor' as const, notPackages: FASTIFY
})

const RULES: ArchitectureRules = {
  floors: [
    { name: 'core/lib', files: below(LIB), mayImport: below(LIB), own: 'floor', notPackages: HEAVY },
    { name: 'the contract', files: below(CONTRACT), mayImport: below(LIB), own: 'floor', onlyPackages: /^typebox(?:\/|$)/ },
    engine('config'),
    engine('pipeline', ['core/proxy/']),
    engine('proxy'),
    engine('state'),
    engine('counters'),
    engine('observe'),
  engine('listen'),
    { name: 'the assembly', files: below(ASSEMBLY), mayImport: below('core/'), own: 'floor', notPackages: FASTIFY },
    { name: 'the registry', files: below('plugins/index\\.ts$'), mayImport: 'everything', own: 'floor' },
    { name: 'a plugin', files: below('plugins/'), mayImport: below(LIB, CONTRACT), own: 'folder', notPackages: HEAVY },
    // The listener is what routes/proxy.ts gives Fastify as its server.
    { name: 'routes', files: below('routes/'), mayImport: below(LIB, CONTRACT, ASSEMBLY, 'core/listen/'), mayImportTypes: below('core/state/'), own: 'floor', notPackages: /^sluice(?:\/|$)/ },
    { name: 'bin', files: below('bin/'), mayImport: 'everything', own: 'floor' }
  ],
  unshipped: below('test/', 'bench/', 'examples/', 'scripts/'),
  singleImporters: [
    { name: 'mongodb', packages: /^mongodb(?:\/|$)/ },
    { name: 'Redis', packages: /^(?:ioredis|@fastify\/redis)(?:\/|$)/ },
    { name: 'SQLite', packages: /^(?:@photostructure\/sqlite|node:sqlite|better-sqlite3)(?:\/|$)/ }
  ],
  processReaders: below('bin/'),
  maxLines: 300
}

test('architecture: imports go down, without cycles, and every file is short, named and where it belongs', (t) => {
  const tree = loadTree(fileURLToPath(new URL('../..', import.meta.url)))
  t.ok(tree.has('core/plugin.ts') && tree.has('test/architecture.test.ts'), 'the tree is the repository')
  t.same(checkArchitecture(tree, RULES), [])
  t.end()
})

test('architecture: a planted violation is found and named', (t) => {
  const sound: Record<string, string> = {
    'core/lib/header-list.ts': "import { join } from 'node:path'\n",
    'core/plugin.ts': "import type { Static } from 'typebox'\nimport type { Reply } from './reply.js'\n",
    'core/reply.ts': '',
    'core/pipeline/run.ts': "import { relay } from '../proxy/relay.js'\n",
    'core/proxy/relay.ts': "import { Pool } from 'undici'\nimport { HeaderList } from '../lib/header-list.js'\n",
    'core/state/store.ts': '',
    'core/gateway.ts': "import { run } from './pipeline/run.js'\n",
    'plugins/index.ts': "import cors from './cors/index.js'\n",
    'plugins/cors/index.ts': "import { definePlugin } from '../../core/plugin.js'\nimport { origin } from './origin.js'\n",
    'plugins/cors/origin.ts': '',
    'plugins/cors/README.md': '# cors',
    'test/plugins/cors.test.ts': "import cors from '../../plugins/cors/index.js'\n",
    'routes/proxy.ts': "import fastify from 'fastify'\nimport { gateway } from '../core/gateway.js'\nimport type { Store } from '../core/state/store.js'\n",
    'bin/sluice.ts': "import '../core/gateway.js'\nimport '../plugins/index.js'\nconst { port } = process.env\n"
  }
  t.same(checkArchitecture(new Map(Object.entries(sound)), RULES), [], 'the sound tree passes')
  const planted: [string, Record<string, string | null>, string[]][] = [
    ['an engine that imports a plugin', { 'core/pipeline/run.ts': "\nimport cors from '../../plugins/cors/index.js'\n" }, ['core/pipeline/run.ts:2 imports plugins/cors/index.ts: core/pipeline may not import that']],
    ['a type import counts', { 'core/proxy/relay.ts': "import type { Store } from '../state/store.js'\n" }, ['core/proxy/relay.ts:1 imports core/state/store.ts: core/proxy may not import that']],
    ['so does an import type', { 'core/proxy/relay.ts': "export type S = import('../state/store.js').Store\n" }, ['core/proxy/relay.ts:1 imports core/state/store.ts: core/proxy may not import that']],
    ['and a dynamic import', { 'core/lib/header-list.ts': "export const load = () => import('../reply.js')\n" }, ['core/lib/header-list.ts:1 imports core/reply.ts: core/lib may not import that']],
    ['and a re-export', { 'core/lib/header-list.ts': "export * from '../reply.js'\n" }, ['core/lib/header-list.ts:1 imports core/reply.ts: core/lib may not import that']],
    ['one plugin that imports another', { 'plugins/cors/origin.ts': "import '../index.js'\n" }, ['plugins/cors/origin.ts:1 imports plugins/index.ts: a plugin may not import that', 'a cycle: plugins/index.ts -> plugins/cors/index.ts -> plugins/cors/origin.ts -> plugins/index.ts']],
    ['a route that imports the store itself', { 'routes/proxy.ts': "import { Store } from '../core/state/store.js'\n" }, ['routes/proxy.ts:1 imports core/state/store.ts: routes may not import that, but its types']],
    ['shipped code that imports a test', { 'core/gateway.ts': "import '../test/plugins/cors.test.js'\n" }, ['core/gateway.ts:1 imports test/plugins/cors.test.ts: the assembly may not import that']],
    ['an import of nothing', { 'bin/sluice.ts': "import './gone.js'\n" }, ['bin/sluice.ts:1 imports bin/gone.ts: there is no such file']],
    ['fastify in the core', { 'core/gateway.ts': "import type { FastifyInstance } from 'fastify'\n" }, ['core/gateway.ts:1 imports fastify: a package that the assembly may not import']],
    ['an HTTP client in a plugin', { 'plugins/cors/origin.ts': "import { fetch } from 'undici'\n" }, ['plugins/cors/origin.ts:1 imports undici: a package that a plugin may not import']],
    ['a package in the contract', { 'core/reply.ts': "import pino from 'pino'\n" }, ['core/reply.ts:1 imports pino: a package that the contract may not import']],
    ['a cycle of types alone', { 'core/reply.ts': "import type { Plugin } from './plugin.js'\n" }, ['a cycle: core/plugin.ts -> core/reply.ts -> core/plugin.ts']],
    ['two files with mongodb', { 'core/state/store.ts': "import 'mongodb'\n", 'core/state/feed.ts': "import type { Db } from 'mongodb'\n" }, ['mongodb may be imported in one file, and is in core/state/store.ts:1, core/state/feed.ts:1']],
    ['a second way to Redis', { 'core/state/store.ts': "import 'ioredis'\n", 'routes/proxy.ts': "import '@fastify/redis'\n" }, ['Redis may be imported in one file, and is in core/state/store.ts:1, routes/proxy.ts:1']],
    ['the environment read outside bin/', { 'core/gateway.ts': 'const a = 1\nconst b = process.env.HOME\nconst { argv } = process\n' }, ['core/gateway.ts:2 reads process.env or process.argv, which bin/ alone may', 'core/gateway.ts:3 reads process.env or process.argv, which bin/ alone may']],
    ['a long file', { 'core/gateway.ts': '//\n'.repeat(301) }, ['core/gateway.ts has 301 lines, more than 300']],
    ['a name in another case', { 'core/lib/headerList.ts': '' }, ['core/lib/headerList.ts: "headerList" is not kebab-case']],
    ['a name that says nothing', { 'core/lib/string-utils.ts': '' }, ['core/lib/string-utils.ts: "string-utils" does not say what is in it']],
    ['a file beside the floors', { 'core/queue/run.ts': '' }, ['core/queue/run.ts is on no floor']],
    ['a plugin without its papers', { 'plugins/cors/README.md': null, 'test/plugins/cors.test.ts': null, 'plugins/index.ts': '' }, ['plugins/cors/ has no README.md', 'plugins/cors/ has no test in test/plugins/', 'plugins/index.ts does not list cors']]
  ]
  for (const [title, change, expected] of planted) {
    const tree = new Map(Object.entries(sound))
    for (const [path, text] of Object.entries(change)) {
      if (text === null) tree.delete(path)
      else tree.set(path, text)
    }
    t.same(checkArchitecture(tree, RULES), expected, title)
  }
  t.end()
})

/** The files that git tracks or would; without git (an unpacked archive), all but what tools make. */
function loadTree (root: string): SourceTree {
  const paths = listFiles(root).filter((path) => /^(?:core|plugins|routes|bin|bench|examples|scripts|test)\//.test(path) && !/^test\/fixtures\/plugins\/|\.fixture\.ts$/.test(path))
  return new Map(paths.map((path) => [path, path.endsWith('.ts') ? readFileSync(join(root, path), 'utf8') : '']))
}

function listFiles (root: string): string[] {
  try {
    const listed = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard', '-z'], { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
    const deleted = new Set(execFileSync('git', ['ls-files', '--deleted', '-z'], { cwd: root, encoding: 'utf8' }).split('\0'))
    return listed.split('\0').filter((path) => path !== '' && !deleted.has(path))
  } catch {
    return ['core', 'plugins', 'routes', 'bin', 'bench', 'examples', 'scripts', 'test'].flatMap((folder) =>
      readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
        .filter((entry) => entry.isFile() && !entry.parentPath.includes('node_modules'))
        .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/')))
  }
}
