import { chmodSync, lstatSync, mkdirSync, readFileSync, readdirSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { AuthorPluginError } from '../../../core/config/author-plugin-bundle.js'
import { importAuthorPlugin, loadAuthorPlugin } from '../../../core/config/author-plugin.js'
import type { Host } from '../../../core/host.js'
import { Reply } from '../../../core/index.js'
import { ensurePrivateDirectory } from '../../../core/lib/private-directory.js'

process.setSourceMapsEnabled(true)

const PLUGIN = `import { Type, definePlugin, reply } from 'sluice'
import { greeting } from './greeting.js'

interface Options { loud: boolean }

export default definePlugin({
  name: 'mine',
  stage: 'limit',
  config: Type.Object({ loud: Type.Boolean({ default: false }) }, { additionalProperties: false }),
  create (config: Options) {
    return {
      request () {
        if (config.loud) throw new Error('too loud')
        return reply(200, { body: greeting })
      }
    }
  }
})
`

interface Folder { directory: string, cacheDirectory: string, file: string }

/** A folder with the given files and a cache beside it; `file` is its mine.ts. */
function folder (t: Test, files: Readonly<Record<string, string>>): Folder {
  const directory = realpathSync(t.testdir({ plugins: files }))
  return { directory: path.join(directory, 'plugins'), cacheDirectory: path.join(directory, 'cache'), file: path.join(directory, 'plugins', 'mine.ts') }
}

/** The error that loading ends with. */
async function refused (t: Test, file: string, cacheDirectory: string): Promise<AuthorPluginError> {
  const error: unknown = await loadAuthorPlugin(file, { cacheDirectory }).then(() => null, (reason: unknown) => reason)
  if (!(error instanceof AuthorPluginError)) {
    t.fail('an AuthorPluginError was expected', { error })
    throw new Error('not refused')
  }
  return error
}

const host = {} as Host

test('author plugin: a TypeScript file with a helper of its own becomes a plugin of this installation', async (t) => {
  const { directory, cacheDirectory, file } = folder(t, { 'mine.ts': PLUGIN, 'greeting.ts': 'export const greeting: string = "hello"\n' })
  const loaded = await loadAuthorPlugin(file, { cacheDirectory })
  t.equal(loaded.plugin.name, 'mine')
  t.strictSame(loaded.plugin.stages, ['limit'])
  t.strictSame([...loaded.files].sort(), [path.join(directory, 'greeting.ts'), file])
  t.match(loaded.hash, /^[0-9a-f]{64}$/)
  t.equal(loaded.bundle, path.join(cacheDirectory, `${loaded.hash}.mjs`))
  const { request } = await loaded.plugin.create({ loud: false }, host)
  const answer = await request?.({} as never)
  t.ok(answer instanceof Reply, 'its Reply is the gateway\'s own class, not a bundled copy')
  t.equal(answer?.body, 'hello')
  t.equal(lstatSync(cacheDirectory).mode & 0o777, 0o700)
  t.equal(lstatSync(loaded.bundle).mode & 0o777, 0o600)
  t.strictSame(readdirSync(cacheDirectory), [`${loaded.hash}.mjs`], 'nothing half-written stays')
})

test('author plugin: the stack of what it throws names the line of its source', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': PLUGIN, 'greeting.ts': 'export const greeting = 1\n' })
  const { plugin } = await loadAuthorPlugin(file, { cacheDirectory })
  const { request } = await plugin.create({ loud: true }, host)
  try {
    void request?.({} as never)
    t.fail('it should have thrown')
  } catch (error) {
    t.match((error as Error).stack, `${file}:13:32`)
  }
})

test('author plugin: the same content is the same module, other content another', async (t) => {
  const { directory, cacheDirectory, file } = folder(t, { 'mine.ts': PLUGIN, 'greeting.ts': 'export const greeting = 1\n' })
  const [first, again] = [await loadAuthorPlugin(file, { cacheDirectory }), await loadAuthorPlugin(file, { cacheDirectory })]
  t.equal(again.hash, first.hash)
  t.equal(again.plugin, first.plugin)
  t.equal(await importAuthorPlugin(first), first.plugin, 'a bundle can be imported by its path alone')
  writeFileSync(path.join(directory, 'greeting.ts'), 'export const greeting = 2\n')
  const changed = await loadAuthorPlugin(file, { cacheDirectory })
  t.not(changed.hash, first.hash, 'a change to a helper is a change to the plugin')
  t.not(changed.plugin, first.plugin)
})

test('author plugin: a bundle that was cut off or changed is written anew', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': PLUGIN, 'greeting.ts': 'export const greeting = 1\n' })
  const { bundle } = await loadAuthorPlugin(file, { cacheDirectory })
  const whole = readFileSync(bundle, 'utf8')
  writeFileSync(bundle, whole.slice(0, 100))
  await loadAuthorPlugin(file, { cacheDirectory })
  t.equal(readFileSync(bundle, 'utf8'), whole)
})

test('author plugin: CommonJS packages, import.meta.url and odd names in the path work', async (t) => {
  const { directory, cacheDirectory } = folder(t, {})
  const odd = path.join(directory, 'an odd#%41 náme')
  mkdirSync(path.join(odd, 'node_modules', 'old-school'), { recursive: true })
  writeFileSync(path.join(odd, 'node_modules', 'old-school', 'index.js'), 'const { basename } = require("node:path"); module.exports = (file) => basename(file)\n')
  writeFileSync(path.join(odd, 'node_modules', 'old-school', 'package.json'), '{ "name": "old-school" }')
  writeFileSync(path.join(odd, 'note.txt'), 'a note')
  writeFileSync(path.join(odd, 'mine.ts'), `import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { Type, definePlugin } from 'sluice'
import base from 'old-school'
const require = createRequire(import.meta.url)
export default definePlugin({
  name: base('/x/mine'),
  description: readFileSync(new URL('./note.txt', import.meta.url), 'utf8') + typeof require('node:fs').readFileSync,
  stage: 'edge',
  config: Type.Object({}),
  create () { throw new Error('odd') }
})
`)
  const { plugin } = await loadAuthorPlugin(path.join(odd, 'mine.ts'), { cacheDirectory })
  t.equal(plugin.name, 'mine')
  t.equal(plugin.description, 'a notefunction')
  try { await plugin.create({}, host) } catch (error) { t.match((error as Error).stack, `${path.join(odd, 'mine.ts')}:11:`) }
})

test('author plugin: a syntax error is told with file, line and column', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': 'const é = 1\nexport default { "é": ] }\n' })
  const error = await refused(t, file, cacheDirectory)
  t.equal(error.message, `${file}:2:23: Unexpected "]"`)
  t.strictSame(error.position, { file, line: 2, column: 23 })
  t.equal(error.remedy, 'mend the source')
})

test('author plugin: an error in a helper names the helper, which is among the files to watch', async (t) => {
  const { directory, cacheDirectory, file } = folder(t, { 'mine.ts': PLUGIN, 'greeting.ts': 'export const greeting = = 1\n' })
  const error = await refused(t, file, cacheDirectory)
  t.match(error.message, `${path.join(directory, 'greeting.ts')}:1:25: `)
  t.strictSame([...error.files].sort(), [path.join(directory, 'greeting.ts'), file])
})

test('author plugin: what is not there or not offered is told with a remedy', async (t) => {
  const { directory, cacheDirectory, file } = folder(t, { 'mine.ts': 'import x from "left-pad"\nexport default x\n', 'inner.ts': 'import { x } from "sluice/core/x"\nexport default x\n' })
  const missing = await refused(t, file, cacheDirectory)
  t.match(missing.message, `${file}:1:15: Could not resolve "left-pad"`)
  t.match(missing.remedy, 'install the package')
  const inner = await refused(t, path.join(directory, 'inner.ts'), cacheDirectory)
  t.match(inner.message, '"sluice/core/x" is not offered to plugins; import from "sluice" or "sluice/testing"')
  const absent = await refused(t, path.join(directory, 'absent.ts'), cacheDirectory)
  t.match(absent.message, 'absent.ts')
  t.match(absent.remedy, 'check the path')
})

test('author plugin: what is no plugin is told with a remedy', async (t) => {
  const cases = [
    ['export const x = 1', 'it has no default export'],
    ['export default 7', 'its default export is a number, not a plugin'],
    ['export default null', 'its default export is a null, not a plugin'],
    ['export default () => 1', 'its default export is a function, not a plugin'],
    ['export default { a: 1 }', 'its default export is not a plugin'],
    ['export default { name: "x", stage: "edge", config: {}, create () {} }', 'its default export is a bare definition']
  ] as const
  const { directory, cacheDirectory } = folder(t, Object.fromEntries(cases.map(([source], index) => [`p${index}.ts`, source])))
  for (const [index, [, message]] of cases.entries()) {
    const file = path.join(directory, `p${index}.ts`)
    const error = await refused(t, file, cacheDirectory)
    t.equal(error.message, `${file}: ${message}`)
    t.match(error.remedy, 'export default definePlugin(')
  }
})

test('author plugin: a module that throws is told with its place, and is tried again on the next load', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': `import { Type, definePlugin } from 'sluice'

if (process.env.SLUICE_TEST_READY !== 'yes') throw new Error('not ready yet')
export default definePlugin({ name: 'late', stage: 'edge', config: Type.Object({}), create: () => ({}) })
` })
  const error = await refused(t, file, cacheDirectory)
  t.match(error.message, `${file}: it threw while it was loaded: not ready yet, at ${file}:3:`)
  t.ok(error.cause instanceof Error)
  process.env.SLUICE_TEST_READY = 'yes'
  t.teardown(() => { delete process.env.SLUICE_TEST_READY })
  t.equal((await loadAuthorPlugin(file, { cacheDirectory })).plugin.name, 'late')
})

test('author plugin: a definition that definePlugin refuses is told', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': 'import { definePlugin } from "sluice"\nexport default definePlugin({ name: "Not Kebab" } as never)\n' })
  t.match((await refused(t, file, cacheDirectory)).message, 'plugin name "Not Kebab" is not kebab-case')
})

test('private directory: one that somebody else could have prepared is refused', async (t) => {
  const base = t.testdir({ file: '' })
  const lax = path.join(base, 'lax')
  mkdirSync(lax)
  chmodSync(lax, 0o777)
  const linked = path.join(base, 'linked')
  symlinkSync(lax, linked)
  await t.rejects(ensurePrivateDirectory(lax), { message: `${lax} is open to other users, mode 0777 (remove it, or choose another directory)` })
  await t.rejects(ensurePrivateDirectory(linked), { message: /linked is a symbolic link/ })
  await t.rejects(ensurePrivateDirectory(path.join(base, 'file')), { message: /file is not a directory/ })
  await t.rejects(ensurePrivateDirectory(path.join(base, 'missing', 'parent')), { code: 'ENOENT' })
  const foreign = path.join(base, 'foreign')
  mkdirSync(foreign, { mode: 0o700 })
  const { getuid } = process
  t.teardown(() => { process.getuid = getuid })
  process.getuid = () => 4242
  await t.rejects(ensurePrivateDirectory(foreign), { message: /foreign belongs to user \d+, not to 4242/ })
  process.getuid = getuid
  await t.resolves(ensurePrivateDirectory(foreign), 'one\'s own with mode 0700 is taken')
  await t.rejects(loadAuthorPlugin(path.join(base, 'file'), { cacheDirectory: lax }), { message: /open to other users/ })
})

test('author plugin: a module that waits for what never comes is refused in time, in a process that has nothing else to do too', async (t) => {
  const { cacheDirectory, file } = folder(t, { 'mine.ts': 'await new Promise(() => {})\nexport default 1\n' })
  const bundled = await loadAuthorPlugin(file, { cacheDirectory, timeoutMs: 50 }).then(() => null, (error: unknown) => error)
  t.ok(bundled instanceof AuthorPluginError)
  t.match(bundled, { message: `${file}: what its module waits for did not come within 0.05 s`, remedy: 'wait for it in create, or in a hook', files: [file] })
})
