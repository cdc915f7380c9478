import { once } from 'node:events'
import { test } from 'tap'
import { startGateway } from '../../fixtures/gateway.js'
import { openSocket } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

// More than the buffers of a loopback connection hold.
const BODY = 'x'.repeat(32 * 1024 * 1024)

test('stalled client: one that takes nothing of what is left of its answer is let go of, and one that reads slowly is not', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const { port } = await startGateway(t, {
    upstreamUrl: upstream.url, listen: { limits: { stallMs: 400 } }, redact: [],
    routes: [{ path: '/large', plugins: [['respond', { status: 200, body: BODY }]] }, { path: '/small', plugins: [['respond', { status: 200, body: 'small' }]] }]
  })
  const stalled = await openSocket(port)
  stalled.pause()
  stalled.on('error', () => {})
  stalled.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\n')

  const slow = await openSocket(port)
  t.teardown(() => { slow.destroy() })
  let got = 0
  let tail = ''
  const done = new Promise<void>((resolve) => {
    slow.on('data', (chunk: Buffer) => {
      got += chunk.length
      tail = (tail + chunk.toString('latin1')).slice(-5)
      if (tail === 'small') resolve()
      slow.pause()
      setTimeout(() => { slow.resume() }, 5)
    })
  })
  slow.write('GET /large HTTP/1.1\r\nHost: a\r\n\r\nGET /small HTTP/1.1\r\nHost: a\r\n\r\n')
  const since = performance.now()
  await done
  t.ok(got > BODY.length, 'all of the large answer, then the small one')
  t.ok(performance.now() - since > 800, 'over more time than the limit')

  stalled.resume()
  let left = 0
  stalled.on('data', (chunk: Buffer) => { left += chunk.length })
  await once(stalled, 'close')
  t.ok(left < BODY.length, `${left} bytes of ${BODY.length} had come before the cut`)
})
