import { test } from 'tap'
import { testPlugin } from '../../core/testing.js'
import requestSize from '../../plugins/request-size/index.js'

test('request-size: takes bodies up to the size and refuses larger ones before they are forwarded', async (t) => {
  const plugin = await testPlugin(requestSize, { maxBody: '10b' })
  const fits = await plugin.request({ method: 'POST', target: '/', body: '0123456789' })
  t.equal(fits.status, 200)
  t.equal(fits.forwarded?.body?.toString(), '0123456789')

  const result = await plugin.request({ method: 'POST', target: '/', body: '0123456789a' })
  t.equal(result.status, 413)
  t.equal(result.forwarded, null)
  const { error } = JSON.parse(result.body.toString()) as { error: Record<string, unknown> }
  t.equal(error['code'], 'PAYLOAD_TOO_LARGE')
  t.same(error['details'], { reason: 'body_too_large', maxBytes: 10 })

  t.equal((await plugin.request({ target: '/' })).status, 200, 'no body is small enough')
})

test('request-size: counts a chunked body as it passes and breaks it off when it is too large', async (t) => {
  const seen: (Buffer | null)[] = []
  const plugin = await testPlugin(requestSize, { maxBody: '10b' }, { upstream: ({ body }) => { seen.push(body); return { status: 201 } } })
  const fits = await plugin.request({ method: 'POST', body: ['01234', '56789'], headers: { 'content-digest': 'sha-256=:AAAA:' } })
  t.equal(fits.status, 201)
  t.equal(seen[0]?.toString(), '0123456789')
  t.equal(fits.forwarded?.headers.get('content-digest'), 'sha-256=:AAAA:', 'the body is unchanged, and so are its digests')

  const result = await plugin.request({ method: 'POST', body: ['01234', '56789', 'a', 'b'] })
  t.equal(result.status, 413)
  t.match(result.body.toString(), /"PAYLOAD_TOO_LARGE".*"body_too_large"/)
  t.equal(seen.length, 1, 'the upstream never has the whole request')
})

test('request-size: takes 1 mb unless told otherwise, and nothing with 0', async (t) => {
  const defaults = await testPlugin(requestSize, {})
  t.equal((await defaults.request({ method: 'PUT', target: '/', body: 'x'.repeat(1_048_576) })).status, 200)
  t.equal((await defaults.request({ method: 'PUT', target: '/', body: 'x'.repeat(1_048_577) })).status, 413)
  const none = await testPlugin(requestSize, { maxBody: '0' })
  t.equal((await none.request({ method: 'PUT', target: '/', body: 'x' })).status, 413)
  t.equal((await none.request({ target: '/' })).status, 200)
})

test('request-size: refuses sizes that are none', async (t) => {
  for (const maxBody of ['1', 'x', '-1mb', '1 mb', 1.5, -1, null]) await t.rejects(testPlugin(requestSize, { maxBody }), JSON.stringify(maxBody))
})
