import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { request, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { test, type Test } from 'tap'
import { startDataNode } from '../../bin/data-node.js'
import { normalizePath } from '../../core/lib/path.js'
import { createLogger } from '../../core/observe/logger.js'
import { blocksOf, codesIn, readDocument, tablesUnder } from '../fixtures/documents.js'
import { readAll } from '../fixtures/upstream.js'

const document = readDocument('docs/routing.md')

interface Asked { request: string, route: string | null, status: number, reason: string | null, path: string | null }

/** Sends the requests of a table's first column through a gateway with a configuration; its access log tells which route had each. */
async function ask (t: Test, yaml: string, requests: readonly string[]): Promise<Asked[]> {
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
    const req = request({ host: '127.0.0.1', port, method, path: target, headers: { host, ...(name === '' ? {} : { [name]: value }) }, agent: false })
    req.end()
    const [res] = await once(req, 'response') as [IncomingMessage]
    const body = (await readAll(res)).toString()
    paths.push(res.statusCode === 200 && body !== '' ? (JSON.parse(body) as { path: string }).path : null)
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
    const answers = await ask(t, yaml, table.map(([one = '']) => one))
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
