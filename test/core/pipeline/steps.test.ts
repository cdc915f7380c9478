import { Transform } from 'node:stream'
import { test } from 'tap'
import { GatewayError } from '../../../core/errors.js'
import { refuse, reply } from '../../../core/reply.js'
import { makePlugin, runThrough } from '../../fixtures/pipeline.js'

/** A plugin that notes which of its hooks run. */
function noting (name: string, notes: string[], more: Parameters<typeof makePlugin>[1] = {}): ReturnType<typeof makePlugin> {
  return makePlugin(name, {
    request () { notes.push(`${name}.request`) },
    response () { notes.push(`${name}.response`) },
    error () { notes.push(`${name}.error`) },
    log () { notes.push(`${name}.log`) },
    ...more
  })
}

void test('steps: request hooks run in order, response hooks in reverse, log hooks after the last byte', async (t) => {
  const notes: string[] = []
  const { answer } = await runThrough([noting('a', notes), noting('b', notes)], {}, () => { notes.push('upstream'); return { body: 'ok' } })
  t.equal(answer.body.toString(), 'ok')
  t.strictSame(notes, ['a.request', 'b.request', 'upstream', 'b.response', 'a.response', 'a.log', 'b.log'])
})

void test('steps: a Reply ends the request steps, and only the response hooks of the steps before it run', async (t) => {
  const notes: string[] = []
  const replying = noting('b', notes, { request () { notes.push('b.request'); return reply(418, { body: 'tea' }) } })
  const { answer, exchange } = await runThrough([noting('a', notes), replying, noting('c', notes)])
  t.equal(answer.status, 418)
  t.equal(answer.body.toString(), 'tea')
  t.equal(exchange.forwarded, null, 'nothing is forwarded')
  t.strictSame(notes, ['a.request', 'b.request', 'a.response', 'a.log', 'b.log', 'c.log'])
})

void test('steps: a promise of a Reply does the same', async (t) => {
  const notes: string[] = []
  const replying = noting('b', notes, { request: async () => { await Promise.resolve(); return refuse('AUTHENTICATION_ERROR') } })
  const { answer } = await runThrough([noting('a', notes), replying])
  t.equal(answer.status, 401)
  t.match(JSON.parse(answer.body.toString()), { error: { code: 'AUTHENTICATION_ERROR', requestId: 'id-1' } })
  t.strictSame(notes, ['a.request', 'a.response', 'a.log', 'b.log'])
})

void test('steps: a failing step gives the error hooks of the steps entered their turn, innermost first, until one replies', async (t) => {
  const notes: string[] = []
  const rescuing = noting('b', notes, { error () { notes.push('b.error'); return reply(200, { body: 'rescued' }) } })
  const failing = noting('d', notes, { request () { throw new GatewayError('SERVICE_UNAVAILABLE') } })
  const { answer, bugs } = await runThrough([noting('a', notes), rescuing, noting('c', notes), failing, noting('e', notes)])
  t.equal(answer.body.toString(), 'rescued')
  t.strictSame(notes.filter((note) => !note.endsWith('.log')), ['a.request', 'b.request', 'c.request', 'd.error', 'c.error', 'b.error', 'a.response'])
  t.strictSame(bugs, [], 'an expected failure is no bug')
})

void test('steps: a failure that nobody answers becomes its code, behind the response hooks of the steps before it', async (t) => {
  const notes: string[] = []
  const failing = noting('b', notes, { request () { throw new GatewayError('SERVICE_UNAVAILABLE', { details: { reason: 'maintenance' } }) } })
  const { answer } = await runThrough([noting('a', notes), failing])
  t.equal(answer.status, 503)
  t.match(JSON.parse(answer.body.toString()), { error: { code: 'SERVICE_UNAVAILABLE', details: { reason: 'maintenance' } } })
  t.ok(notes.includes('a.response'))
  t.notOk(notes.includes('b.response'))
})

void test('steps: anything else that is thrown is a bug: 500, and nothing of it is shown', async (t) => {
  const failing = makePlugin('b', { request () { throw new Error('password is hunter2') } })
  const { answer, bugs } = await runThrough([failing])
  t.equal(answer.status, 500)
  t.notMatch(answer.body.toString(), /hunter2/)
  t.match(bugs, [{ message: 'password is hunter2' }])
})

void test('steps: an upstream that fails runs the error hooks of all steps, then all response hooks', async (t) => {
  const notes: string[] = []
  const { answer } = await runThrough([noting('a', notes), noting('b', notes)], {}, () => { throw new GatewayError('UPSTREAM_TIMEOUT') })
  t.equal(answer.status, 504)
  t.strictSame(notes, ['a.request', 'b.request', 'b.error', 'a.error', 'b.response', 'a.response', 'a.log', 'b.log'])
})

void test('steps: a response hook that throws turns the answer into an error that the outer response hooks still see', async (t) => {
  const notes: string[] = []
  const failing = makePlugin('b', { response () { throw new Error('broken') } })
  const { answer, bugs } = await runThrough([noting('a', notes), failing])
  t.equal(answer.status, 500)
  t.ok(notes.includes('a.response'))
  t.equal(bugs.length, 1)
})

void test('steps: a hook that never settles is given up after its timeout, and its late answer changes nothing', async (t) => {
  let late: (value: undefined) => void = () => {}
  const hanging = makePlugin('a', { request: () => new Promise<undefined>((resolve) => { late = resolve }) })
  const { answer, exchange } = await runThrough([hanging], {}, undefined, { timeoutMs: 30 })
  t.equal(answer.status, 500)
  t.match(JSON.parse(answer.body.toString()), { error: { details: { reason: 'plugin_timeout' } } })
  late(undefined)
  await Promise.resolve()
  t.equal(exchange.forwarded, null)
})

void test('steps: a step changes what is forwarded, and the request stays as it was', async (t) => {
  const changing = makePlugin('a', {
    request (ctx) {
      ctx.forward.path = '/other'
      ctx.forward.query = 'b=2'
      ctx.forward.method = 'PUT'
      ctx.forward.headers.set('x-added', 'yes')
      ctx.forward.headers.delete('x-secret')
      ctx.forward.body = 'new body'
      ctx.forward.target = 'http://elsewhere:1'
    }
  })
  const { exchange } = await runThrough([changing], { method: 'POST', target: '/a?b=1', headers: { 'x-secret': 's', digest: 'x' }, body: 'old' })
  const forwarded = exchange.forwarded
  t.match(forwarded, { method: 'PUT', path: '/other', query: 'b=2', target: 'http://elsewhere:1' })
  t.equal(forwarded?.body?.toString(), 'new body')
  t.equal(forwarded?.headers.get('x-added'), 'yes')
  t.notOk(forwarded?.headers.has('x-secret'))
  t.notOk(forwarded?.headers.has('digest'), 'a digest of another body is gone')
  t.match(exchange.request, { path: '/a', query: 'b=1', method: 'POST' })
  t.ok(exchange.request.headers.has('x-secret'))
})

void test('steps: a slot filled by one step is read by the next', async (t) => {
  const filling = makePlugin('a', { request (ctx) { ctx.set('consumer' as never, { id: 'c1' } as never) } }, { provides: ['consumer'] })
  let seen: unknown
  const reading = makePlugin('b', { request (ctx) { seen = ctx.get('consumer' as never) } }, { requires: ['consumer'] })
  await runThrough([filling, reading])
  t.strictSame(seen, { id: 'c1' })
})

void test('steps: a buffering step gets the whole request body, and the upstream the same bytes', async (t) => {
  let seen = ''
  const buffering = makePlugin('a', { request (ctx) { seen = ctx.body?.toString() ?? '' } }, { body: { request: { buffer: 10 } } })
  const { answer, exchange } = await runThrough([buffering], { method: 'POST', body: '0123456789' })
  t.equal(answer.status, 200)
  t.equal(seen, '0123456789')
  t.equal(exchange.forwarded?.body?.toString(), '0123456789')
})

void test('steps: a body beyond the smallest maximum is 413, decorated by the steps before', async (t) => {
  const notes: string[] = []
  const small = makePlugin('b', { request () {} }, { body: { request: { buffer: 4 } } })
  const large = makePlugin('c', { request () {} }, { body: { request: { buffer: '1mb' } } })
  const { answer, exchange } = await runThrough([noting('a', notes), large, small], { method: 'POST', body: '01234' })
  t.equal(answer.status, 413)
  t.equal(exchange.forwarded, null)
  t.ok(notes.includes('a.response'))
})

void test('steps: a buffering response step gets the whole body and may replace it', async (t) => {
  const replacing = makePlugin('a', { response (ctx) { ctx.response.body = Buffer.from(`${ctx.response.body?.toString() ?? ''}!`) } }, { body: { response: { buffer: '1kb' } } })
  const { answer } = await runThrough([replacing], {}, () => ({ headers: { etag: '"x"', digest: 'd' }, body: 'hello' }))
  t.equal(answer.body.toString(), 'hello!')
  t.equal(answer.headers.get('content-length'), '6')
  t.notOk(answer.headers.has('etag'), 'an ETag of another body is gone')
  t.notOk(answer.headers.has('digest'))
})

void test('steps: an answer larger than a response step takes is 502', async (t) => {
  const buffering = makePlugin('a', { response () {} }, { body: { response: { buffer: 3 } } })
  const { answer } = await runThrough([buffering], {}, () => ({ body: 'too long' }))
  t.equal(answer.status, 502)
  t.match(JSON.parse(answer.body.toString()), { error: { code: 'UPSTREAM_INVALID_RESPONSE', details: { reason: 'response_too_large' } } })
})

void test('steps: stream transforms chain in the order in which they were added, both ways', async (t) => {
  const appending = (letter: string): Transform => new Transform({ transform (chunk, _encoding, done) { done(null, `${String(chunk)}${letter}`) } })
  const plugin = (name: string): ReturnType<typeof makePlugin> => makePlugin(name, {
    request (ctx) { ctx.forward.transform(appending(name)) },
    response (ctx) { ctx.response.transform(appending(name)) }
  }, { body: { request: 'stream', response: 'stream' } })
  const { answer, exchange } = await runThrough([plugin('a'), plugin('b')], { method: 'POST', body: '0' }, () => ({ body: '1' }))
  t.equal(exchange.forwarded?.body?.toString(), '0ab')
  t.equal(answer.body.toString(), '1ba', 'the innermost step comes first on the way back')
  t.notOk(answer.headers.has('content-length'))
})

void test('steps: HEAD, 204 and 304 run every response hook, and their transforms come to nothing', async (t) => {
  for (const [method, status] of [['HEAD', 200], ['GET', 204], ['GET', 304]] as const) {
    const notes: string[] = []
    const transform = new Transform({ transform (chunk, _encoding, done) { done(null, chunk) } })
    const body = makePlugin('b', {
      response (ctx) {
        notes.push(`body ${String(ctx.response.body)}`)
        ctx.response.transform(transform)
        ctx.response.headers.set('vary', 'Accept-Encoding')
      }
    }, { body: { response: 'stream' } })
    const { answer } = await runThrough([noting('a', notes), body], { method }, () => ({ status, headers: { etag: '"x"' }, body: method === 'HEAD' ? 'x' : null }))
    t.equal(answer.status, status)
    t.equal(answer.body.length, 0)
    t.strictSame(notes.filter((note) => note !== 'a.log'), ['a.request', 'body null', 'a.response'], `${method} ${status}`)
    t.equal(answer.headers.get('vary'), 'Accept-Encoding')
    t.notOk(answer.headers.has('content-length'), 'how long the transformed body would be is not known')
    t.notOk(answer.headers.has('etag'), 'its bytes would be others')
    t.ok(transform.destroyed)
  }
})

void test('steps: an asynchronous response hook holds the answer back until it is through', async (t) => {
  const slow = makePlugin('a', { response: async (ctx) => { await new Promise((resolve) => setImmediate(resolve)); ctx.response.headers.set('x-late', '1') } })
  for (const method of ['GET', 'HEAD']) {
    const { answer } = await runThrough([slow], { method }, () => ({ body: 'abc' }))
    t.equal(answer.headers.get('x-late'), '1')
    t.equal(answer.complete, true)
  }
})

void test('steps: what a log hook throws stops neither the answer nor the other log hooks', async (t) => {
  const notes: string[] = []
  const { answer, bugs } = await runThrough([makePlugin('a', { log () { throw new Error('log') } }), noting('b', notes)])
  t.equal(answer.status, 200)
  t.equal(bugs.length, 1)
  t.ok(notes.includes('b.log'))
})

void test('steps: a trace holds what each hook decided, also those that were waited for', async (t) => {
  const { answer, exchange } = await runThrough([
    makePlugin('outer', { request: (ctx) => { ctx.startTrace() }, response: async () => { throw new Error('late') } }),
    makePlugin('helper', { error: async () => reply(503) }),
    makePlugin('waiting', { request: async () => {} }),
    makePlugin('failing', { request: async () => { throw new GatewayError('SERVICE_UNAVAILABLE') }, error: async () => {} })
  ])
  t.equal(answer.status, 500)
  t.strictSame(exchange.trace?.entries.map(({ plugin, hook, decision }) => `${plugin} ${hook} ${decision}`), [
    'outer request next', 'waiting request next', 'failing request failed', 'failing error next', 'helper error reply 503', 'outer response failed'
  ])
})
