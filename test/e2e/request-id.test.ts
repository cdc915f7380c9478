import { test } from 'tap'
import { startGateway, type TestGatewayOptions } from '../fixtures/gateway.js'
import { createUpstream } from '../fixtures/upstream.js'

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** The id as the upstream, a good answer and an error answer with its body have it, under `header`. */
async function askFor (t: Parameters<typeof startGateway>[0], header: string, options: Pick<TestGatewayOptions, 'requestId' | 'listen'>, sent: Record<string, string> = {}): Promise<{ upstream: string[], good: string | null, bad: string | null, body: string }> {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/a' }], ...options })
  const good = await fetch(`${gateway.url}/a`, { headers: sent })
  t.equal(good.status, 200)
  const bad = await fetch(`${gateway.url}/b`, { headers: sent })
  const { error } = await bad.json() as { error: { requestId: string } }
  return { upstream: upstream.requests[0]?.values(header) ?? [], good: good.headers.get(header), bad: bad.headers.get(header), body: error.requestId }
}

test('request id: the upstream and the client get the same one, and an error body has the one of its header', async (t) => {
  const { upstream, good, bad, body } = await askFor(t, 'x-request-id', {}, { 'x-request-id': 'mine' })
  t.match(good, UUID, 'what an untrusted peer sends is not taken')
  t.strictSame(upstream, [good])
  t.match(bad, UUID)
  t.equal(body, bad)
})

test('request id: a trusted peer gives it, and its header may have another name', async (t) => {
  const { upstream, good, bad, body } = await askFor(t, 'x-trace', { requestId: { header: 'x-trace' }, listen: { trustedProxies: ['127.0.0.0/8'] } }, { 'x-trace': 'mine' })
  t.strictSame({ upstream, good, bad, body }, { upstream: ['mine'], good: 'mine', bad: 'mine', body: 'mine' })
})

test('request id: switched off, only errors have one', async (t) => {
  const { upstream, good, bad, body } = await askFor(t, 'x-request-id', { requestId: false })
  t.strictSame({ upstream, good }, { upstream: [], good: null })
  t.match(bad, UUID)
  t.equal(body, bad)
})
