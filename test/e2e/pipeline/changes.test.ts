import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { definePlugin, reply } from '../../../core/index.js'
import type { Plugin } from '../../../core/plugin.js'
import { ask } from '../../fixtures/ask.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { makePlugin, use } from '../../fixtures/pipeline.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream, type UpstreamHandler } from '../../fixtures/upstream.js'

async function start (t: Test, plugins: readonly Plugin[], handler?: UpstreamHandler, more: Partial<TestGatewayOptions> = {}) {
  const upstream = await createUpstream(handler)
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored: plugins, routes: [{ path: '/*', plugins: plugins.map(({ name }) => name) }], ...more })
  return { ...gateway, upstream, last: () => upstream.requests[upstream.requests.length - 1] }
}

test('pipeline: a step changes target, method, path, query and headers of the forward; the request stays as it came', async (t) => {
  const elsewhere = await createUpstream((_req, res) => { res.end('elsewhere') })
  t.teardown(() => elsewhere.close())
  const seen: unknown[] = []
  const changing = makePlugin('changing', {
    request (ctx) {
      const { forward } = ctx
      forward.target = elsewhere.url
      forward.method = 'PUT'
      forward.path = '/other%20path'
      forward.query = 'b=2&c'
      forward.headers.set('x-added', 'yes')
      forward.headers.append('x-added', 'twice')
      forward.headers.delete('x-secret')
    }
  })
  const looking = makePlugin('looking', { request (ctx) { seen.push([ctx.request.method, ctx.request.path, ctx.request.query, ctx.request.headers.get('x-secret'), ctx.rawTarget]) } })
  const { port, upstream } = await start(t, [changing, looking])
  const answer = await ask(port, '/a?b=1', { method: 'POST', headers: { 'x-secret': 's' }, body: 'hello' })
  t.equal(answer.text, 'elsewhere')
  t.equal(upstream.requests.length, 0)
  const [forwarded] = elsewhere.requests
  t.match(forwarded, { method: 'PUT', target: '/other%20path?b=2&c' })
  t.same([forwarded?.values('x-added'), forwarded?.values('x-secret'), forwarded?.body.toString()], [['yes', 'twice'], [], 'hello'])
  t.same(seen, [['POST', '/a', 'b=1', 's', '/a?b=1']])
})

test('pipeline: a step replaces, adds or drops the body of the forward; what described the old one goes', async (t) => {
  const described = { 'content-type': 'text/plain', 'content-encoding': 'gzip', 'content-digest': 'sha-256=:x:', digest: 'sha-256=x', 'content-md5': 'x' }
  for (const [body, expected] of [['naïve', 'naïve'], [Buffer.from([0, 255, 1]), '\0\xff\x01'], ['', ''], [null, '']] as const) {
    const { port, last } = await start(t, [makePlugin('changing', { request (ctx) { ctx.forward.body = body; ctx.forward.headers.set('digest', 'of the new one') } })])
    for (const sent of ['old body', ['old ', 'body']]) {
      t.equal((await ask(port, '/', { method: 'POST', headers: described, body: sent })).status, 200)
      const forwarded = last()
      t.equal(forwarded?.body.toString(typeof body === 'string' ? 'utf8' : 'latin1'), expected)
      t.same(forwarded?.values('content-length'), body === null ? forwarded?.values('content-length') : [String(forwarded?.body.length)])
      t.same(['content-encoding', 'content-digest', 'content-md5', 'digest'].map((name) => forwarded?.values(name)), [[], [], [], ['of the new one']])
      t.same(forwarded?.values('content-type'), ['text/plain'])
      t.same(forwarded?.values('transfer-encoding'), [])
    }
  }
  const { port, last } = await start(t, [makePlugin('adding', { request (ctx) { ctx.forward.method = 'POST'; ctx.forward.body = 'made here' } })])
  await ask(port, '/')
  t.match([last()?.method, last()?.body.toString(), last()?.values('content-length')], ['POST', 'made here', ['9']])
})

test('pipeline: a step changes status, headers and body of the answer; what described the old body goes', async (t) => {
  const changing = makePlugin('changing', {
    response (ctx) {
      const { response } = ctx
      response.status = 203
      response.headers.set('x-was', `${response.source} ${String(response.body)}`)
      response.headers.delete('x-internal')
      response.headers.append('set-cookie', 'b=2')
      response.body = 'naïve'
    }
  })
  const { port } = await start(t, [changing], (_req, res) => {
    res.writeHead(200, { etag: '"1"', 'content-digest': 'sha-256=:x:', 'content-encoding': 'gzip', 'x-internal': '1', 'set-cookie': 'a=1', 'content-length': 8 })
    res.end('old body')
  })
  const { responses: [answer] } = await sendRaw(port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.same([answer?.status, answer?.body.toString(), answer?.header('content-length'), answer?.header('x-was')], [203, 'naïve', '6', 'upstream null'])
  for (const gone of ['etag', 'content-digest', 'content-encoding', 'x-internal']) t.equal(answer?.header(gone), undefined, gone)
  t.same(answer?.headers.filter(([name]) => name === 'set-cookie').map(([, value]) => value), ['a=1', 'b=2'])
})

test('pipeline: a step that makes the answer a 204 or 304, or empties it, sends no body and keeps the connection in step', async (t) => {
  for (const size of [5, 100_000]) {
    for (const [set, status, length] of [
      [{ status: 304 }, 304, undefined], [{ status: 204 }, 204, undefined], [{ body: null }, 200, '0'], [{ status: 304, body: 'x' }, 304, undefined], [{ status: 204, body: 'x' }, 204, undefined]
    ] as const) {
      const { port, bugs } = await start(t, [makePlugin('changing', { response (ctx) { Object.assign(ctx.response, set) } })], (_req, res) => { res.end(Buffer.alloc(size, 'b')) })
      const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
      const { responses } = await sendRaw(port, [get, get], { count: 2, methods: ['GET', 'GET'] })
      t.same(responses.map((answer) => [answer.status, answer.body.length]), [[status, 0], [status, 0]], `${JSON.stringify(set)}, ${size} bytes`)
      if (status !== 304) t.equal(responses[0]?.header('content-length'), length)
      t.same(bugs, [])
    }
  }
})

test('pipeline: a 204 or 304 of the upstream can be given a body', async (t) => {
  for (const [status, set, expected] of [[204, { status: 200, body: 'something' }, 'something'], [304, { body: 'something', status: 200 }, 'something'], [204, { status: 200 }, '']] as const) {
    const { port } = await start(t, [makePlugin('changing', { response (ctx) { Object.assign(ctx.response, set) } })], (_req, res) => { res.writeHead(status).end() })
    const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
    const { responses } = await sendRaw(port, [get, get], { count: 2, methods: ['GET', 'GET'] })
    t.same(responses.map((answer) => [answer.status, answer.body.toString()]), [[200, expected], [200, expected]])
  }
})

test('pipeline: HEAD gets the head of GET and nothing else, whatever steps and upstream do', async (t) => {
  const plain: UpstreamHandler = (_req, res) => { res.writeHead(200, { 'content-length': 5, etag: '"1"' }); res.end('hello') }
  for (const [why, plugin, handler, length] of [
    ['untouched', makePlugin('none', {}), plain, '5'],
    ['forwarded as GET', makePlugin('asking', { request (ctx) { ctx.forward.method = 'GET' } }), plain, '5'],
    ['forwarded as GET, collected and changed', makePlugin('asking', { request (ctx) { ctx.forward.method = 'GET' }, response (ctx) { ctx.response.body = `${String(ctx.response.body)}!!` } }, { body: { response: { buffer: '1kb' } } }), plain, '7'],
    ['a changed body whose length nobody knows', makePlugin('changing', { response (ctx) { ctx.response.body = `${String(ctx.response.body)}!!` } }, { body: { response: { buffer: '1kb' } } }), plain, undefined],
    ['answered by a step', makePlugin('replying', { request: () => reply(200, { body: 'a reply' }) }), plain, '7']
  ] as const) {
    const { port, bugs } = await start(t, [plugin], handler)
    const { responses } = await sendRaw(port, 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\nHEAD / HTTP/1.1\r\nHost: a\r\n\r\n', { count: 2, methods: ['HEAD', 'HEAD'] })
    t.same(responses.map((answer) => [answer.status, answer.header('content-length')]), [[200, length], [200, length]], why)
    t.same(bugs, [])
  }
  const { port } = await start(t, [makePlugin('asking', { request (ctx) { ctx.forward.method = 'HEAD' } })], plain)
  t.match(await ask(port, '/'), { status: 200, text: '', headers: { 'content-length': '0' } }, 'and a GET that is forwarded as HEAD an empty body')
})

test('pipeline: HEAD and 304 have the Vary and validators that compression and cors give the 200', async (t) => {
  const { port } = await start(t, [], (req, res) => {
    const matches = req.headers['if-none-match']?.replaceAll('W/', '') === '"1"'
    res.writeHead(matches ? 304 : 200, { etag: '"1"', ...matches ? {} : { 'content-type': 'application/json', 'content-length': 5_000 } })
    res.end(matches ? undefined : 'x'.repeat(5_000))
  }, { plugins: [['cors', { origins: ['https://a.example', 'https://b.example'] }], ['compression', {}]], routes: [{ path: '/*' }] })
  const headers = { 'accept-encoding': 'gzip', origin: 'https://a.example' }
  const got = await ask(port, '/', { headers })
  const head = await ask(port, '/', { method: 'HEAD', headers })
  const held = await ask(port, '/', { headers: { ...headers, 'if-none-match': String(got.headers.etag) } })
  t.same([got.status, head.status, held.status], [200, 200, 304])
  t.equal(got.headers.etag, 'W/"1"')
  for (const name of ['etag', 'access-control-allow-origin', 'content-encoding'] as const) t.equal(head.headers[name], got.headers[name], `HEAD: ${name}`)
  const vary = (answer: typeof got): string[] => String(answer.headers.vary).split(', ').sort()
  t.same(vary(got), ['Accept-Encoding', 'Origin'])
  t.same(vary(head), vary(got))
  t.same(vary(held), vary(got))
  t.equal(held.headers.etag, got.headers.etag)
  t.equal(held.headers['access-control-allow-origin'], 'https://a.example')
})

test('pipeline: slots pass from the gateway\'s plugins to the project\'s and the route\'s, and each request has its own', async (t) => {
  const filling = definePlugin({
    name: 'filling', stage: 'authenticate', provides: ['consumer'], config: Type.Object({}),
    create: () => ({ request: async (ctx) => { await Promise.resolve(); ctx.set('consumer', { id: ctx.request.query }) } })
  })
  const answering = definePlugin({
    name: 'answering', stage: 'authorize', requires: ['consumer'], config: Type.Object({}),
    create: () => ({ request: (ctx) => reply(200, { body: ctx.get('consumer').id }), log (ctx) { ctx.annotate('who', ctx.get('consumer').id) } })
  })
  const optional = definePlugin({
    name: 'optional', stage: 'edge', requires: ['consumer?'], config: Type.Object({}),
    create: () => ({ request (ctx) { ctx.annotate('early', ctx.get('consumer') === undefined) } })
  })
  const { port } = await start(t, [filling, answering, optional], undefined, {
    plugins: ['optional', 'filling'], project: { plugins: [use('answering')] }, routes: [{ path: '/*' }]
  })
  const answers = await Promise.all(Array.from({ length: 20 }, async (_, index) => (await ask(port, `/?${index}`)).text))
  t.same(answers, Array.from({ length: 20 }, (_, index) => String(index)))
})

test('pipeline: a traced step\'s time counts from where the trace began, also for the step that began it', async (t) => {
  let entries: readonly { plugin: string, durationMs: number }[] = []
  const starting = makePlugin('starting', { request (ctx) { entries = ctx.startTrace().entries } })
  const next = makePlugin('next', { request: async () => { await new Promise((resolve) => setTimeout(resolve, 30)) } })
  const { port } = await start(t, [starting, next])
  await ask(port, '/')
  const [first, second] = entries
  t.match([first, second], [{ plugin: 'starting' }, { plugin: 'next' }])
  t.ok((first?.durationMs ?? NaN) < 20, `${first?.durationMs} ms`)
  t.ok((second?.durationMs ?? NaN) >= 28 && (second?.durationMs ?? NaN) < 300, `${second?.durationMs} ms`)
})
