import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { parse } from 'yaml'
import { createChecks } from '../../bin/checks.js'
import { loadAuthorPlugin } from '../../core/config/author-plugin.js'
import { loadConfig } from '../../core/config/load.js'
import { parseProject } from '../../core/config/parse-project.js'
import { buildRegistry } from '../../core/config/registry.js'
import { formatFinding } from '../../core/errors.js'
import { plugins } from '../../plugins/index.js'
import { blocksOf, listDocuments, type CodeBlock } from '../fixtures/documents.js'
import { service } from '../fixtures/services.js'
import { createAuthority } from '../fixtures/tls.js'

const registry = buildRegistry(plugins)
const checks = createChecks(registry)
const documents = listDocuments()
const blocks = documents.flatMap(blocksOf)
const yaml = blocks.filter(({ language, mark }) => language === 'yaml' && mark !== 'stored')
const namesTls = ({ text }: CodeBlock): boolean => text.includes('tls/')

/** What stands around a part of a configuration, by the mark behind ```yaml: the lines before it, and how far it is indented. */
const AROUND: Readonly<Record<string, { before: string, indent: number }>> = {
  project: { before: 'projects:\n  shop:\n', indent: 4 },
  route: { before: 'projects:\n  shop:\n    upstreams:\n      orders: { builtin: echo }\n    routes:\n', indent: 6 },
  upstream: { before: 'projects:\n  shop:\n    upstreams:\n', indent: 6 }
}

function wrap ({ text, mark }: CodeBlock): string {
  const around = AROUND[mark]
  return around === undefined ? text : around.before + text.replace(/^(?=.)/gm, ' '.repeat(around.indent))
}

/** Variables that a text refers to without a default, with something that fits their name. */
function variablesOf (text: string): Record<string, string> {
  const values: Record<string, string> = {}
  for (const [, name = ''] of text.matchAll(/\$\{([A-Z_]+)\}/g)) {
    values[name] = name.includes('MONGODB') ? 'mongodb://127.0.0.1/sluice' : name.includes('REDIS') ? 'redis://127.0.0.1' : name.endsWith('PORT') ? '8080' : name.endsWith('URL') ? 'http://127.0.0.1:9001' : 'value'
  }
  return values
}

/** A folder with the files that examples name: authors' plugins as documents show them, secrets, included projects. */
function makeFolder (t: Test): string {
  const folder = t.testdir({ plugins: {}, projects: {}, secrets: { token: 'a-secret-of-a-file\n' }, tls: {} })
  for (const { language, mark, text } of blocks) {
    if (language !== 'ts' || !mark.startsWith('plugins/') || mark.endsWith('.test.ts')) continue
    mkdirSync(path.dirname(path.join(folder, mark)), { recursive: true })
    writeFileSync(path.join(folder, mark), text)
  }
  for (const name of ['blog.yaml', 'shop.yaml']) writeFileSync(path.join(folder, 'projects', name), `projects: { from-${name.split('.')[0]}: { hosts: [ ${name.split('.')[0]}.example.org ] } }\n`)
  return folder
}

async function check (folder: string, block: CodeBlock, environment: string | null): Promise<string[]> {
  const file = path.join(folder, 'gateway.yaml')
  const text = wrap(block)
  writeFileSync(file, text)
  const load = (name: string) => loadAuthorPlugin(name, { cacheDirectory: path.join(folder, 'cache') })
  const { findings } = await loadConfig({ file, environment, env: block.mark === 'wrong' ? {} : variablesOf(text), registry, checks, loadAuthorPlugin: load })
  return findings.map((finding) => formatFinding(finding).replaceAll(`${folder}/`, ''))
}

async function checkAll (t: Test, folder: string, chosen: readonly CodeBlock[]): Promise<void> {
  for (const block of chosen) {
    const place = `${block.document}:${block.line}`
    t.ok(block.mark === '' || block.mark === 'wrong' || Object.hasOwn(AROUND, block.mark), `${place}: "${block.mark}" is a known part`)
    const found = await check(folder, block, null)
    if (block.mark === 'wrong') {
      const told = blocks[blocks.indexOf(block) + 1]
      t.same(found, told?.text.trimEnd().split('\n'), `${place}: check says what stands below`)
      continue
    }
    t.same(found, [], place)
    const environments = block.mark === '' ? (parse(block.text) as { environments?: object }).environments : undefined
    for (const name of Object.keys(environments ?? {})) t.same(await check(folder, block, name), [], `${place} as ${name}`)
  }
}

test('documents: every YAML example passes check', async (t) => {
  const chosen = yaml.filter((block) => !namesTls(block))
  t.ok(chosen.length >= 20, `${chosen.length} examples`)
  await checkAll(t, makeFolder(t), chosen)
})

test('documents: every YAML example with certificates passes check', { skip: service('openssl').skip }, async (t) => {
  const folder = makeFolder(t)
  const authority = createAuthority(path.join(folder, 'tls'))
  for (const [name, host] of [['shop', 'shop.example.com'], ['default', 'example.com'], ['client', 'gateway.internal']] as const) authority.issue(name, [host])
  const chosen = yaml.filter(namesTls)
  t.ok(chosen.length >= 1)
  await checkAll(t, folder, chosen)
})

test('documents: every example of a project that is kept in the store can be written there', (t) => {
  const chosen = blocks.filter(({ language, mark }) => language === 'yaml' && mark === 'stored')
  t.ok(chosen.length >= 1)
  for (const { document, line, text } of chosen) {
    const { findings } = parseProject({ text, label: `${document}:${line}`, name: 'shop', origin: 'tenant', registry, secrets: { names: () => [], open: () => 'a-secret' } })
    t.same(findings.map(formatFinding), [], `${document}:${line}`)
  }
  t.end()
})

test('documents: the configurations that are shipped pass check', async (t) => {
  for (const file of ['gateway.config.yaml', 'examples/orders/gateway.config.yaml']) {
    const { findings } = await loadConfig({ file, env: {}, registry, checks, loadAuthorPlugin })
    t.same(findings.map(formatFinding), [], file)
  }
})
