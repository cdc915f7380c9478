import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { test } from 'tap'
import ts from 'typescript'
import { loadAuthorPlugin } from '../../core/config/author-plugin.js'
import { testPlugin } from '../../core/testing.js'
import { blocksOf, listDocuments, readDocument, REPOSITORY } from '../fixtures/documents.js'

const samples = listDocuments().flatMap(blocksOf).filter(({ language }) => language === 'ts')
  .map((block, index) => ({ ...block, place: `${block.document}:${block.line}`, file: block.mark === '' ? `sample-${index}.ts` : block.mark }))

/** The samples as files of a project that has `sluice` installed: what an author's folder looks like. */
function writeSamples (folder: string): void {
  mkdirSync(path.join(folder, 'node_modules'))
  symlinkSync(REPOSITORY, path.join(folder, 'node_modules', 'sluice'))
  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  for (const { file, text } of samples) {
    mkdirSync(path.dirname(path.join(folder, file)), { recursive: true })
    writeFileSync(path.join(folder, file), text)
  }
}

test('documents: every TypeScript sample passes the compiler', (t) => {
  const folder = t.testdir({})
  writeSamples(folder)
  t.ok(samples.length >= 8, `${samples.length} samples`)
  const program = ts.createProgram(samples.map(({ file }) => path.join(folder, file)), {
    strict: true, noUncheckedIndexedAccess: true, module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext, target: ts.ScriptTarget.ES2022,
    noEmit: true, allowImportingTsExtensions: true, erasableSyntaxOnly: true, skipLibCheck: true, types: ['node'], typeRoots: [path.join(REPOSITORY, 'node_modules', '@types')]
  })
  const told = ts.getPreEmitDiagnostics(program).map(({ file, start, messageText }) => {
    const sample = samples.find((one) => file?.fileName.endsWith(`/${one.file}`))
    const line = file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line
    return `${sample === undefined ? file?.fileName ?? '' : `${sample.document}:${sample.line + line}`}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  })
  t.same(told, [])
  t.end()
})

test('documents: every sample that is a plugin loads, and takes a request', async (t) => {
  const folder = t.testdir({})
  writeSamples(folder)
  const plugins = samples.filter(({ text }) => text.includes('export default definePlugin'))
  t.ok(plugins.length >= 5, `${plugins.length} plugins`)
  for (const { file, place } of plugins) {
    const { plugin } = await loadAuthorPlugin(path.join(folder, file), { cacheDirectory: path.join(folder, 'cache') })
    const instance = await testPlugin(plugin, {}, { slots: { consumer: { id: 'ada', plan: 'pro' }, tenant: { id: 'acme', region: 'eu' } } })
    const { status } = await instance.request({ method: 'GET', target: '/orders/7' })
    t.ok(status >= 200 && status < 500, `${place} answers ${status}`)
    await instance.close()
  }
})

test('documents: every sample that is a test passes', async (t) => {
  const folder = t.testdir({})
  writeSamples(folder)
  const tests = samples.filter(({ file }) => file.endsWith('.test.ts'))
  t.ok(tests.length >= 1)
  for (const { file, place } of tests) {
    const outfile = path.join(folder, 'bundled.test.mjs')
    await build({ entryPoints: [path.join(folder, file)], bundle: true, platform: 'node', format: 'esm', packages: 'external', outfile, logLevel: 'silent' })
    const { stdout } = await promisify(execFile)(process.execPath, ['--test-reporter=tap', outfile], { cwd: folder }).catch((error: unknown) => error as { stdout: string })
    t.match(stdout, /# pass [1-9]\d*\n# fail 0/, place)
  }
})

test('readme: the plugin is as short as is said, and does what is said', async (t) => {
  const folder = t.testdir({})
  writeSamples(folder)
  const [block] = blocksOf(readDocument('README.md')).filter(({ language }) => language === 'ts')
  t.ok(block !== undefined && block.text.trimEnd().split('\n').length <= 15, 'at most 15 lines')
  const { plugin } = await loadAuthorPlugin(path.join(folder, block?.mark ?? ''), { cacheDirectory: path.join(folder, 'cache') })
  const instance = await testPlugin(plugin, { days: [1, 2, 3, 4, 5] })
  const thursday = await instance.request({ method: 'POST', target: '/orders' })
  instance.clock.advance(Date.UTC(2026, 0, 4) - instance.clock.now())
  const sunday = await instance.request({ method: 'POST', target: '/orders' })
  t.same([thursday.status, sunday.status], [200, 503])
  t.match(JSON.parse(sunday.body.toString()), { error: { code: 'SERVICE_UNAVAILABLE', details: { reason: 'closed_today' } } })
  t.ok(sunday.headers.get('retry-after'))
  t.equal((await instance.request({ method: 'GET', target: '/orders' })).status, 200, 'reading is always allowed')
})
