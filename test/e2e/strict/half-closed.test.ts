import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'tap'
import { startGateway } from '../../fixtures/gateway.js'
import { sendRaw } from '../../fixtures/raw-client.js'

for (const [what, head, body] of [
  ['without a body', 'GET /slow HTTP/1.1\r\nHost: a.example\r\n\r\n', ''],
  ['with a body', 'POST /slow HTTP/1.1\r\nHost: a.example\r\nContent-Length: 1\r\n\r\n', 'x'],
  ['that Node reads', 'POST /slow HTTP/1.1\r\nHost: a.example\r\nContent-Length:\t1\r\n\r\n', 'x']
] as const) {
  test(`half-closed: a client that ends its side before it has its answer is taken to have gone: a request ${what}`, async (t) => {
    const upstream = createServer()
    const gone = new Promise<void>((resolve) => {
      upstream.on('request', (req, res) => { req.resume(); res.on('close', () => { t.notOk(res.writableEnded); resolve() }) })
    })
    upstream.listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    t.teardown(() => { upstream.closeAllConnections(); upstream.close() })
    const { port, accessLines } = await startGateway(t, { upstreamUrl: `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, routes: [{ path: '/*' }], redact: [] })
    const { responses, closed } = await sendRaw(port, head + body, { untilClose: true, halfClose: true })
    await gone
    t.same(responses, [], 'it is sent nothing more')
    t.ok(closed)
    t.match(accessLines.map((line) => JSON.parse(line) as object), [{ path: '/slow', complete: false }])
  })
}
