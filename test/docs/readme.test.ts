import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { test, type Test } from 'tap'
import { startDataNode } from '../../bin/data-node.js'
import { loadAuthorPlugin } from '../../core/config/author-plugin.js'
import { createLogger } from '../../core/observe/logger.js'
import { testPlugin } from '../../core/testing.js'
import { ask, errorOf } from '../fixtures/ask.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { blocksOf, readDocument, type CodeBlock } from '../fixtures/documents.js'
import { createUpstream } from '../fixtures/upstream.js'

const blocks = blocksOf(readDocument('README.md'))

/** The README's only block of a language. */
function block (language: string): CodeBlock {
  const found = blocks.filter((one) => one.language === language)
  if (found.length !== 1) throw new Error(`the README has ${found.length} blocks of ${language}`)
  return found[0] as CodeBlock
}

/** A folder with the README's configuration and plugin. */
function writeFiles (t: Test): { config: string, plugin: string } {
  // Its second target, moved to where nobody listens on any machine.
  const folder = t.testdir({ 'gateway.yaml': block('yaml').text.replace('127.0.0.1:9002', '127.0.0.1:1'), plugins: {} })
  const plugin = path.join(folder, block('ts').mark)
  writeFileSync(plugin, block('ts').text)
  return { config: path.join(folder, 'gateway.yaml'), plugin }
}

async function serve (t: Test, file: string, environment: string | null, env: Record<string, string>): Promise<number> {
  const node = await startDataNode({ file, environment, env, log: createLogger({ level: 'silent' }), operatorToken: null, watch: false, port: 0 })
  t.teardown(() => node.kill())
  return Number(new URL(node.listeners[0]?.url ?? '').port)
}

test('readme: what npm start runs answers the first request through a real upstream', async (t) => {
  const [, address] = /curl -i 'http:\/\/127\.0\.0\.1:8080(.*)'/.exec(blocks[0]?.text ?? '') ?? []
  t.equal(address, '/echo/hello?x=1')
  const answer = await ask(await serve(t, path.join(REPOSITORY, 'gateway.config.yaml'), null, {}), address ?? '')
  t.equal(answer.status, 200)
  t.match(JSON.parse(answer.text), { method: 'GET', path: '/hello', query: 'x=1' })
})

test('readme: the configuration is short and serves what it says', async (t) => {
  t.ok(block('yaml').text.trimEnd().split('\n').length <= 20, 'at most 20 lines')
  const orders = await createUpstream((_req, res) => { res.setHeader('content-type', 'application/json').end(JSON.stringify({ orders: 'x'.repeat(2_000) })) })
  t.teardown(() => orders.close())
  const port = await serve(t, writeFiles(t).config, null, { ORDERS_URL: orders.url })
  const headers = { host: 'shop.localhost', origin: 'https://app.example.com', 'accept-encoding': 'gzip' }
  const answer = await ask(port, '/api/v1/orders/7?full=1', { headers })
  t.match([answer.status, answer.headers], [200, { 'content-encoding': 'gzip', 'access-control-allow-origin': 'https://app.example.com', 'x-content-type-options': 'nosniff' }])
  t.equal(orders.requests[0]?.target, '/orders/7?full=1', 'the target that is down is passed over')
  t.match(await ask(port, '/orders/7', { headers }), { status: 308, headers: { location: '/api/v1/orders/7' } })
  t.match(errorOf(await ask(port, '/reports/2026', { headers })), { code: 'AUTHORIZATION_ERROR', details: { reason: 'ip_denied' } })
  t.match(errorOf(await ask(port, '/api/v1/orders', { headers, method: 'POST', body: Buffer.alloc(70_000) })), { code: 'PAYLOAD_TOO_LARGE' })
  t.equal((await ask(port, '/api/v1/orders')).status, 404, 'another host is nobody\'s')
  const staging = await serve(t, writeFiles(t).config, 'staging', { ORDERS_URL: orders.url })
  t.equal((await ask(staging, '/api/v1/orders', { headers: { host: 'shop.staging.example.com' } })).status, 200)
})

test('readme: the plugin is as short as is said, and does what is said', async (t) => {
  t.ok(block('ts').text.trimEnd().split('\n').length <= 15, 'at most 15 lines')
  const { plugin: file } = writeFiles(t)
  const { plugin } = await loadAuthorPlugin(file, { cacheDirectory: path.join(path.dirname(file), 'cache') })
  const instance = await testPlugin(plugin, { days: [1, 2, 3, 4, 5] })
  const thursday = await instance.request({ method: 'POST', target: '/orders' })
  instance.clock.advance(Date.UTC(2026, 0, 4) - instance.clock.now())
  const sunday = await instance.request({ method: 'POST', target: '/orders' })
  t.same([thursday.status, sunday.status], [200, 503])
  t.match(JSON.parse(sunday.body.toString()), { error: { code: 'SERVICE_UNAVAILABLE', details: { reason: 'closed_today' } } })
  t.ok(sunday.headers.get('retry-after'))
  t.equal((await instance.request({ method: 'GET', target: '/orders' })).status, 200, 'reading is always allowed')
})
