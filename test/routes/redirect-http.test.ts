import { test, type Test } from 'tap'
import { openRedirectPort } from '../../routes/redirect-http.js'
import { startGateway, type TestGateway } from '../fixtures/gateway.js'
import { sendRaw } from '../fixtures/raw-client.js'

async function redirectPort (t: Test, more: { requestId?: false } = {}): Promise<TestGateway & { redirect: number }> {
  const made = await startGateway(t, { upstreamUrl: 'http://127.0.0.1:9', routes: [{ path: '/*' }], redact: [], ...more })
  const port = await openRedirectPort({ host: '127.0.0.1', port: 0, gateway: made.gateway, targetPort: () => 443 })
  t.teardown(() => port.close())
  return { ...made, redirect: Number(new URL(port.url).port) }
}

test('redirect-http: every answer has a request id, is counted, and stands in the access log', async (t) => {
  const { redirect, accessLines, metrics } = await redirectPort(t)
  const ids: unknown[] = []
  for (const [bytes, status] of [
    ['GET /a?token=x HTTP/1.1\r\nHost: shop.example\r\nUser-Agent: probe/1\r\n\r\n', 308],
    ['HEAD /b HTTP/1.0\r\nHost: shop.example\r\n\r\n', 308],
    ['GET /c HTTP/1.1\r\nHost: shop.example\r\nExpect: the-unexpected\r\n\r\n', 308],
    ['GET /d HTTP/1.1\r\nHost: a b\r\n\r\n', 400],
    ['CONNECT shop.example:443 HTTP/1.1\r\nHost: shop.example:443\r\n\r\n', 405],
    ['nothing\r\n\r\n', 400]
  ] as const) {
    const { responses: [answer], closed } = await sendRaw(redirect, bytes)
    t.equal(answer?.status, status, bytes)
    t.match(answer?.header('x-request-id'), /^[0-9a-f-]{36}$/, bytes)
    t.ok(closed, bytes)
    ids.push(answer?.header('x-request-id'))
  }
  const records = accessLines.map((line) => JSON.parse(line) as Record<string, unknown>)
  t.same(records.map(({ requestId }) => requestId), ids)
  t.match(records[0], { method: 'GET', scheme: 'http', host: 'shop.example', path: '/a', status: 308, client: '127.0.0.1', userAgent: 'probe/1', httpVersion: '1.1', route: null, errorCode: null })
  t.match(records[1], { method: 'HEAD', path: '/b', status: 308, httpVersion: '1.0' })
  t.match(records[4], { method: 'CONNECT', status: 405, errorCode: 'METHOD_NOT_ALLOWED' })
  t.notMatch(accessLines.join(''), 'token', 'no query is logged')
  const counted = await metrics()
  t.match(counted, /^sluice_requests_total\{[^}]*status="308"[^}]*\} 3$/m)
  t.match(counted, /^sluice_requests_total\{[^}]*status="405"[^}]*\} 1$/m)
  t.match(counted, /^sluice_requests_total\{[^}]*status="400"[^}]*\} 2$/m)
})

test('redirect-http: tells no request id with a 308 where the configuration wants none', async (t) => {
  const { redirect, accessLines } = await redirectPort(t, { requestId: false })
  const { responses: [answer] } = await sendRaw(redirect, 'GET /a HTTP/1.1\r\nHost: shop.example\r\n\r\n')
  t.equal(answer?.status, 308)
  t.equal(answer?.header('location'), 'https://shop.example/a')
  t.equal(answer?.header('x-request-id'), undefined)
  t.equal(accessLines.length, 1)
})
