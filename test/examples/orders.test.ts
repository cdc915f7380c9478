import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request, type IncomingHttpHeaders, type IncomingMessage } from 'node:http'
import { fileURLToPath } from 'node:url'
import { test, type Test } from 'tap'
import { startDataNode } from '../../bin/data-node.js'
import { createLogger } from '../../core/observe/logger.js'
import { createOrdersApi } from '../../examples/orders/server.js'
import { parseHttpFile } from '../fixtures/http-file.js'
import { readAll } from '../fixtures/upstream.js'

const folder = new URL('../../../examples/orders/', import.meta.url)

interface Answer { status: number, headers: IncomingHttpHeaders, text: string }

/** Boots the API and the example's gateway in front of it; gives what sends a request for a URL to that gateway. */
async function boot (t: Test): Promise<(method: string, url: string, headers?: Record<string, string>, body?: string) => Promise<Answer>> {
  const api = await createOrdersApi()
  const node = await startDataNode({
    file: fileURLToPath(new URL('gateway.config.yaml', folder)),
    environment: 'test',
    env: { ORDERS_URL: api.url },
    log: createLogger({ level: 'silent' }),
    operatorToken: null,
    watch: false,
    port: 0
  })
  t.teardown(async () => { await node.kill(); await api.close() })
  const { port } = new URL(node.listeners.find(({ name }) => name === 'data')?.url ?? '')
  return async (method, url, headers = {}, body = '') => {
    const { host, pathname, search } = new URL(url, 'http://shop.localhost:8080')
    const req = request({ host: '127.0.0.1', port, method, path: pathname + search, headers: { host, ...headers }, agent: false })
    req.end(body)
    const [res] = await once(req, 'response') as [IncomingMessage]
    return { status: res.statusCode ?? 0, headers: res.headers, text: (await readAll(res)).toString() }
  }
}

test('example orders: every request of requests.http is answered as it says', async (t) => {
  const ask = await boot(t)
  const requests = parseHttpFile(readFileSync(new URL('requests.http', folder), 'utf8'))
  t.ok(requests.length >= 16)
  for (const { title, expect, method, url, headers, body } of requests) {
    const answer = await ask(method, url, headers, body)
    t.equal(answer.status, expect, `${title}: ${answer.text}`)
    t.match(answer.headers['x-request-id'], /\S/, 'with a request id')
    t.equal(answer.headers['x-content-type-options'], 'nosniff', 'with security headers')
  }
})

test('example orders: both versions show the same order, and the older one says that it ends', async (t) => {
  const ask = await boot(t)
  const newer = await ask('GET', '/api/v2/orders/ord_1002')
  const older = await ask('GET', '/api/v1/orders/1002')
  t.match(JSON.parse(newer.text), { id: 'ord_1002', totalCents: 2750, status: 'paid' })
  t.match(JSON.parse(older.text), { id: 1002, total: 27.5, status: 'paid' })
  t.match(older.headers, { deprecation: /^@\d+$/, sunset: /GMT$/, link: '</api/v2/orders>; rel="successor-version"' })
  t.same([newer.headers['deprecation'], newer.headers['sunset']], [undefined, undefined])
  t.equal(JSON.parse((await ask('GET', '/api/v1/orders')).text).length, 3, 'the list has no slash at the end')
  t.equal((await ask('HEAD', '/api/v2/orders')).headers['content-length'], (await ask('GET', '/api/v2/orders')).headers['content-length'])
})

test('example orders: the gateway adds what the API has not', async (t) => {
  const ask = await boot(t)
  const page = { origin: 'http://shop.localhost:3000' }
  const missing = await ask('GET', '/api/v2/orders/ord_9999', page)
  t.same([missing.status, missing.headers['access-control-allow-origin']], [404, page.origin], 'a page can read the API\'s own refusals')
  t.equal((await ask('GET', '/api/v2/orders', { origin: 'http://evil.test' })).headers['access-control-allow-origin'], undefined)
  const latest = await ask('DELETE', '/api/orders/ord_1001?force=1')
  t.same([latest.status, latest.headers['location']], [307, '/api/v2/orders/ord_1001?force=1'])
  const refused = await ask('PUT', '/api/v2/orders')
  t.equal(JSON.parse(refused.text).error.code, 'METHOD_NOT_ALLOWED')
  t.same(refused.headers['allow']?.split(/, */).sort(), ['DELETE', 'GET', 'HEAD', 'PATCH', 'POST'])
  const large = await ask('POST', '/api/v2/orders', { 'content-type': 'application/json', 'content-length': '70000' }, ' '.repeat(70_000))
  t.same([large.status, JSON.parse(large.text).error.code], [413, 'PAYLOAD_TOO_LARGE'])
  t.same(JSON.parse((await ask('GET', '/api/versions')).text).versions.map(({ name }: { name: string }) => name), ['v2', 'v1'])
  t.equal((await ask('GET', 'http://other.localhost:8080/api/v2/orders')).status, 404, 'other hosts are nobody\'s')
})
