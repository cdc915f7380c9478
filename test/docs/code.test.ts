import { execFile } from 'node:child_process'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { build } from 'esbuild'
import { test } from 'tap'
import ts from 'typescript'
import { loadAuthorPlugin } from '../../core/config/author-plugin.js'
import { testPlugin } from '../../core/testing.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { blocksOf, listDocuments } from '../fixtures/documents.js'

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

test('documents: every TypeScript sample passes the compiler', { timeout: 110_000 }, (t) => {
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
  // All at once: esbuild's process is started for the first and ends with the last.
  const loaded = await Promise.all(plugins.map(({ file }) => loadAuthorPlugin(path.join(folder, file), { cacheDirectory: path.join(folder, 'cache') })))
  for (const [i, { plugin }] of loaded.entries()) {
    const instance = await testPlugin(plugin, {}, { slots: { consumer: { id: 'ada', plan: 'pro' }, tenant: { id: 'acme', region: 'eu' } } })
    const { status } = await instance.request({ method: 'GET', target: '/orders/7' })
    t.ok(status >= 200 && status < 500, `${plugins[i]?.place} answers ${status}`)
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
