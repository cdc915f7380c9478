import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { writePluginTemplate } from '../../bin/plugin-new.js'
import { loadAuthorPlugin } from '../../core/config/author-plugin.js'
import { Refusal } from '../../core/index.js'
import { HeaderList } from '../../core/lib/header-list.js'
import type { Host } from '../../core/host.js'
import { runCli } from '../fixtures/cli.js'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
const run = promisify(execFile)

test('plugin new: writes plugin, README and test, which the gateway loads', async (t) => {
  const directory = t.testdir({})
  const files = await writePluginTemplate({ name: 'tea-time', directory })
  t.strictSame(files, ['index.ts', 'README.md', 'tea-time.test.ts'].map((file) => path.join(directory, 'plugins', 'tea-time', file)))
  for (const file of files) t.notMatch(readFileSync(file, 'utf8'), '{{', path.basename(file))
  const { plugin } = await loadAuthorPlugin(files[0] as string, { cacheDirectory: path.join(directory, 'cache') })
  t.equal(plugin.name, 'tea-time')
  const { request, response } = await plugin.create({ header: 'x-tea-time' }, {} as Host)
  const answer = (flat: string[]): unknown => request?.({ request: { headers: new HeaderList(flat) } } as never)
  t.equal(answer(['x-tea-time', 'yes']), undefined)
  t.ok(answer([]) instanceof Refusal)
  const headers = new HeaderList([])
  void response?.({ response: { headers } } as never)
  t.equal(headers.get('x-checked-by'), 'tea-time')
})

test('plugin new: what it writes passes the compiler and its own test', async (t) => {
  const directory = t.testdir({ node_modules: {} })
  symlinkSync(repository, path.join(directory, 'node_modules', 'sluice'))
  await writePluginTemplate({ name: 'tea-time', directory })
  const typeRoots = [path.join(repository, 'node_modules', '@types')]
  writeFileSync(path.join(directory, 'package.json'), '{ "type": "module" }')
  writeFileSync(path.join(directory, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, module: 'nodenext', target: 'es2022', noEmit: true, allowImportingTsExtensions: true, skipLibCheck: true, types: ['node'], typeRoots },
    include: ['plugins']
  }))
  const compiled = await run(process.execPath, [path.join(repository, 'node_modules', 'typescript', 'bin', 'tsc'), '-p', directory]).catch((error: unknown) => error as { stdout: string })
  t.equal(compiled.stdout, '', 'tsc finds nothing')
  const { build } = await import('esbuild')
  const outfile = path.join(directory, 'bundled.test.mjs')
  await build({ entryPoints: [path.join(directory, 'plugins', 'tea-time', 'tea-time.test.ts')], bundle: true, platform: 'node', format: 'esm', packages: 'external', outfile, logLevel: 'silent' })
  const { stdout } = await run(process.execPath, ['--test-reporter=tap', outfile], { cwd: directory }).catch((error: unknown) => error as { stdout: string })
  t.match(stdout, /# pass 2\n# fail 0/)
})

test('plugin new: nothing is overwritten', async (t) => {
  const directory = t.testdir({ plugins: { mine: { 'index.ts': 'precious' }, empty: {} } })
  await t.rejects(writePluginTemplate({ name: 'mine', directory }), { message: /plugins\/mine has something in it already$/, remedy: 'choose another name, or remove it' })
  t.equal(readFileSync(path.join(directory, 'plugins', 'mine', 'index.ts'), 'utf8'), 'precious')
  t.equal((await writePluginTemplate({ name: 'empty', directory })).length, 3, 'an empty folder is taken')
  mkdirSync(path.join(directory, 'deep'))
  await t.resolves(writePluginTemplate({ name: 'mine', directory: path.join(directory, 'deep') }))
})

test('plugin new: a name that can not be one is refused with one that can', async (t) => {
  const directory = t.testdir({})
  const cases = [
    ['MyPlugin', 'write it as "my-plugin"'],
    ['tea time!', 'write it as "tea-time"'],
    ['9lives', 'write it as "lives"'],
    ['../../etc', 'write it as "etc"'],
    ['a_b', 'write it as "a-b"'],
    ['', 'write it in lower case with hyphens, like "my-plugin"'],
    ['-', 'write it in lower case with hyphens, like "my-plugin"']
  ] as const
  for (const [name, remedy] of cases) await t.rejects(writePluginTemplate({ name, directory }), { message: `"${name}" can not be the name of a plugin`, remedy })
  await t.rejects(writePluginTemplate({ name: 'a'.repeat(65), directory }), { message: /has 65 characters$/, remedy: /take at most 64/ })
})

test('plugin new: the command writes where it is told, says what to do next, and never overwrites', async (t) => {
  const directory = t.testdir({})
  const { code, stdout, stderr } = await runCli(t, ['plugin', 'new', 'tea-time', '--dir', 'gateway'], { cwd: directory })
  t.strictSame([code, stderr], [0, ''])
  t.match(stdout, /^wrote gateway\/plugins\/tea-time\/index\.ts\nwrote gateway\/plugins\/tea-time\/README\.md\nwrote gateway\/plugins\/tea-time\/tea-time\.test\.ts\n\nNext:\n/)
  t.match(stdout, '- use: ./plugins/tea-time/index.ts')
  writeFileSync(path.join(directory, 'gateway', 'gateway.config.yaml'), 'plugins: [ { use: ./plugins/tea-time/index.ts } ]\nprojects: { a: { routes: [ { match: { path: / }, plugins: [ { respond: { body: hi } } ] } ] } }\n')
  t.match(await runCli(t, ['check'], { cwd: path.join(directory, 'gateway') }), { code: 0 }, 'what it says to write passes')
  const again = await runCli(t, ['plugin', 'new', 'tea-time', '--dir', 'gateway'], { cwd: directory })
  t.match(again, { code: 1, stdout: '', stderr: /^sluice: .*tea-time has something in it already \(choose another name, or remove it\)\n$/ })
  const bad = await runCli(t, ['plugin', 'new', 'TeaTime', '--json'], { cwd: directory })
  t.equal(bad.code, 1)
  t.strictSame(JSON.parse(bad.stdout), { ok: false, findings: [{ path: [], message: '"TeaTime" can not be the name of a plugin', remedy: 'write it as "tea-time"', position: null }] })
  const json = await runCli(t, ['plugin', 'new', 'other', '--json'], { cwd: directory })
  t.match(JSON.parse(json.stdout), { ok: true, name: 'other', files: [/index\.ts$/, /README\.md$/, /other\.test\.ts$/] })
  writeFileSync(path.join(directory, 'file'), '')
  t.match(await runCli(t, ['plugin', 'new', 'mine', '--dir', 'file'], { cwd: directory }), { code: 1, stderr: /^sluice: .*file.* is in the way \(choose another folder\)\n$/ })
})

test('plugin new: a name of a plugin of the gateway, which could not be used, is refused', async (t) => {
  const directory = t.testdir({})
  const { code, stdout } = await runCli(t, ['plugin', 'new', 'cors', '--dir', directory, '--json'])
  t.equal(code, 1)
  t.strictSame(JSON.parse(stdout), { ok: false, findings: [{ path: [], message: '"cors" is a plugin of the gateway', remedy: 'choose another name, like "my-cors"', position: null }] })
  t.notOk(existsSync(path.join(directory, 'plugins')))
})
