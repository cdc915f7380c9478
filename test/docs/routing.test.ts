import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { explain } from '../../bin/commands/explain.js'
import { startDataNode } from '../../bin/data-node.js'
import { normalizePath } from '../../core/lib/path.js'
import { createLogger } from '../../core/observe/logger.js'
import { ask } from '../fixtures/ask.js'
import { keepTerminal } from '../fixtures/cli.js'
import { blocksOf, codesIn, readDocument, tablesUnder } from '../fixtures/documents.js'

const document = readDocument('docs/routing.md')

interface Asked { request: string, route: string | null, status: number, reason: string | null, path: string | null }

/** Sends the requests of a table's first column through a gateway with a configuration; its access log tells which route had each. */
async function askAll (t: Test, yaml: string, requests: readonly string[]): Promise<Asked[]> {
  const folder = t.testdir({})
  const file = path.join(folder, 'gateway.yaml')
  const log = path.join(folder, 'access.log')
  writeFileSync(file, `listen: { host: 127.0.0.1 }\naccessLog: { file: access.log }\n${yaml}`)
  const node = await startDataNode({ file, environment: null, env: {}, log: createLogger({ level: 'silent' }), operatorToken: null, watch: false, port: 0 })
  const { port } = new URL(node.listeners[0]?.url ?? '')
  const paths: (string | null)[] = []
  for (const cell of requests) {
    const [line = '', field = ''] = codesIn(cell)
    const [, method, host, target] = /^([A-Z]+) ([^/]+)(\/.*)$/.exec(line) ?? []
    const [name = '', value = ''] = field.split(': ')
    const { status, text } = await ask(Number(port), target ?? '', { headers: { host: host ?? '', ...(name === '' ? {} : { [name]: value }) }, ...(method === undefined ? {} : { method }) })
    paths.push(status === 200 && text !== '' ? (JSON.parse(text) as { path: string }).path : null)
  }
  await node.stop()
  const records = readFileSync(log, 'utf8').trimEnd().split('\n').map((one) => JSON.parse(one) as { route: string | null, status: number, errorReason: string | null })
  return requests.map((one, i) => ({ request: one, route: records[i]?.route ?? null, status: records[i]?.status ?? 0, reason: records[i]?.errorReason ?? null, path: paths[i] ?? null }))
}

test('routing.md: every request of its tables gets the route that stands there', async (t) => {
  let count = 0
  for (const heading of ['The project', 'The path', 'Methods, headers, query, hosts', 'What the upstream sees', 'The normal form of a path']) {
    const table = tablesUnder(document, heading).at(-1) ?? []
    const section = document.text.slice(document.text.indexOf(`\n## ${heading}\n`)).split(/\n## /)[1] ?? ''
    const yaml = blocksOf({ path: document.path, text: section }).find(({ language }) => language === 'yaml')?.text ?? ''
    const answers = await askAll(t, yaml, table.map(([one = '']) => one))
    for (const [i, [line = '', route = '', onwards = '']] of table.entries()) {
      const { status, reason, path: seen, route: served } = answers[i] as Asked
      const wanted = /^\d{3}/.exec(route)?.[0]
      const [code] = codesIn(route)
      if (wanted === undefined) t.same([status, served], [200, code], line)
      else t.same([status, reason], [Number(wanted), code ?? null], line)
      if (/^`[^`]*`$/.test(onwards)) t.equal(seen, codesIn(onwards)[0], `${line} goes on as`)
      count++
    }
  }
  t.ok(count > 30, `${count} requests`)
})

test('routing.md: the normal forms are those of the code', (t) => {
  const [table = []] = tablesUnder(document, 'The normal form of a path')
  t.ok(table.length > 8)
  for (const [sent = '', becomes = ''] of table) t.equal(normalizePath(codesIn(sent)[0] ?? '', false), becomes === '400' ? null : codesIn(becomes)[0], sent)
  t.end()
})

test('routing.md: what explain says is what it says', async (t) => {
  const blocks = blocksOf(document)
  const file = path.join(t.testdir({}), 'gateway.yaml')
  let count = 0
  for (const [i, { language, text }] of blocks.entries()) {
    const [, method = '', url = ''] = /^sluice explain ([A-Z]+) (\S+)/.exec(text) ?? []
    if (language !== 'sh' || method === '') continue
    const yaml = blocks.slice(0, i).findLast((block) => block.language === 'yaml')
    writeFileSync(file, yaml?.text ?? '')
    const terminal = keepTerminal()
    t.equal(await explain({ method, url, headers: [], data: null, from: '127.0.0.1', file, environment: null, run: false, timeoutMs: 5_000, json: false }, terminal), 0)
    t.equal(terminal.out.join('\n').replaceAll(file, 'gateway.yaml'), blocks[i + 1]?.text.trimEnd())
    count++
  }
  t.ok(count > 0)
})
