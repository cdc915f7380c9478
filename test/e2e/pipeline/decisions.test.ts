import { once } from 'node:events'
import type { ServerResponse } from 'node:http'
import { test, type Test } from 'tap'
import { GatewayError, reply, refuse } from '../../../core/index.js'
import type { Plugin, PluginInstance } from '../../../core/plugin.js'
import { ask, errorOf } from '../../fixtures/ask.js'
import { startGateway, type TestGatewayOptions } from '../../fixtures/gateway.js'
import { makePlugin, use } from '../../fixtures/pipeline.js'
import { openSocket } from '../../fixtures/raw-client.js'
import { createRawUpstream, createUpstream, type UpstreamHandler } from '../../fixtures/upstream.js'
import { SocketReader, until } from '../../fixtures/web-socket.js'

/** A plugin that notes which of its hooks run, unless the test gives another. */
function noting (name: string, notes: string[], hooks: PluginInstance = {}): Plugin {
  return makePlugin(name, {
    request () { notes.push(`${name}.request`) },
    response () { notes.push(`${name}.response`) },
    error () { notes.push(`${name}.error`) },
    log () { notes.push(`${name}.log`) },
    ...hooks
  })
}

async function start (t: Test, plugins: readonly Plugin[], handler?: UpstreamHandler, more: Partial<TestGatewayOptions> = {}) {
  const upstream = await createUpstream(handler)
  t.teardown(() => upstream.close())
  const names = plugins.map(({ name }) => name)
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, authored: plugins, routes: [{ path: '/*', plugins: names }, { path: '/free' }], ...more })
  return { ...gateway, upstream }
}

const withoutLogs = (notes: readonly string[]): string[] => notes.filter((note) => !note.endsWith('.log'))

test('pipeline: a Reply ends the request; inner steps and the upstream never see it, outer response steps do, in reverse', async (t) => {
  const notes: string[] = []
  for (const answer of [reply(418, { headers: { 'x-by': 'c' }, body: 'tea' }), Promise.resolve(reply(418, { headers: { 'x-by': 'c' }, body: 'tea' }))]) {
    notes.length = 0
    const { port, upstream, bugs, gateway } = await start(t, [noting('a', notes), noting('b', notes), noting('c', notes, { request () { notes.push('c.request'); return answer } }), noting('d', notes)])
    const got = await ask(port, '/x')
    t.same([got.status, got.text, got.headers['x-by']], [418, 'tea', 'c'])
    await until(() => gateway.requests === 0)
    t.same(notes, ['a.request', 'b.request', 'c.request', 'b.response', 'a.response', 'a.log', 'b.log', 'c.log', 'd.log'])
    t.equal(upstream.requests.length, 0)
    t.same(bugs, [])
  }
})

test('pipeline: a refusal is decorated by cors in front of it, and a step in front of the refusing one never hears of it as an error', async (t) => {
  const notes: string[] = []
  const { port } = await start(t, [noting('a', notes), makePlugin('auth', { request: () => refuse('AUTHENTICATION_ERROR', { details: { reason: 'no_key' } }) })], undefined, { plugins: [['cors', { origins: ['https://app.example.com'] }]] })
  const answer = await ask(port, '/x', { headers: { origin: 'https://app.example.com' } })
  t.equal(answer.status, 401)
  t.match(errorOf(answer), { code: 'AUTHENTICATION_ERROR', details: { reason: 'no_key' } })
  t.equal(answer.headers['access-control-allow-origin'], 'https://app.example.com')
  t.same(withoutLogs(notes), ['a.request', 'a.response'])
})

test('pipeline: a failure asks the error steps of the steps entered, innermost first, until one replies; response steps before that one follow', async (t) => {
  const notes: string[] = []
  const failure = new GatewayError('SERVICE_UNAVAILABLE', { details: { reason: 'maintenance' } })
  let seen: unknown
  const fail = (): never => { throw failure }
  const { port, bugs } = await start(t, [
    noting('a', notes),
    noting('b', notes, { error (_ctx, error) { notes.push('b.error'); seen = error; return reply(200, { body: 'rescued' }) } }),
    noting('c', notes, { error: async () => { notes.push('c.error'); await Promise.resolve() } }),
    noting('d', notes, { request: fail }),
    noting('e', notes)
  ])
  const answer = await ask(port, '/x')
  t.same([answer.status, answer.text], [200, 'rescued'])
  t.equal(seen, failure)
  t.same(withoutLogs(notes), ['a.request', 'b.request', 'c.request', 'd.error', 'c.error', 'b.error', 'a.response'])
  t.same(bugs, [], 'an expected failure is no bug')
})

test('pipeline: a failure that nobody answers becomes its code; a bug 500 with its stack in the log and nothing of it outside', async (t) => {
  const notes: string[] = []
  for (const [error, status, code] of [[new GatewayError('CONFLICT'), 409, 'CONFLICT'], [new TypeError('the password is hunter2'), 500, 'INTERNAL_ERROR'], ['not even an error', 500, 'INTERNAL_ERROR']] as const) {
    for (const request of [() => { throw error }, () => Promise.reject(error as Error)]) {
      notes.length = 0
      const { port, bugs } = await start(t, [noting('a', notes), noting('b', notes, { request })])
      const answer = await ask(port, '/x')
      t.same([answer.status, errorOf(answer).code], [status, code])
      t.notMatch(answer.text, /hunter2|not even/)
      t.same(withoutLogs(notes), ['a.request', 'b.error', 'a.error', 'a.response'])
      if (error instanceof GatewayError) t.same(bugs, [])
      else t.match(bugs, [error instanceof Error ? /"where":"b".*hunter2.*decisions\.test/ : /not even an error/])
    }
  }
})

test('pipeline: an error step that fails itself is passed over', async (t) => {
  const notes: string[] = []
  const { port, bugs } = await start(t, [
    noting('a', notes, { error () { return reply(503, { body: 'by a' }) } }),
    noting('b', notes, { error () { throw new Error('second') } }),
    noting('c', notes, { error: () => Promise.reject(new Error('third')), request () { throw new Error('first') } })
  ])
  const answer = await ask(port, '/x')
  t.same([answer.status, answer.text], [503, 'by a'])
  t.match(bugs, [/first/, /third/, /second/])
})

test('pipeline: an upstream that fails asks the error steps of all steps, then runs the response steps of all', async (t) => {
  const notes: string[] = []
  const { port, upstream } = await start(t, [noting('a', notes), noting('b', notes)])
  await upstream.close()
  const answer = await ask(port, '/x')
  t.same([answer.status, errorOf(answer).code], [502, 'UPSTREAM_UNREACHABLE'])
  t.same(withoutLogs(notes), ['a.request', 'b.request', 'b.error', 'a.error', 'b.response', 'a.response'])
})

test('pipeline: a response step that fails turns the answer into an error that only the response steps outside of it see', async (t) => {
  const notes: string[] = []
  for (const response of [() => { throw new Error('broken') }, () => Promise.reject(new Error('broken'))]) {
    notes.length = 0
    const { port, bugs } = await start(t, [noting('a', notes), noting('b', notes, { response }), noting('c', notes)])
    const answer = await ask(port, '/x')
    t.same([answer.status, errorOf(answer).code], [500, 'INTERNAL_ERROR'])
    t.same(withoutLogs(notes), ['a.request', 'b.request', 'c.request', 'c.response', 'b.error', 'a.error', 'a.response'])
    t.equal(bugs.length, 1)
  }
})

test('pipeline: an interim answer runs nothing, and passes before the final one', async (t) => {
  const notes: string[] = []
  let finish = (): void => {}
  const { port } = await start(t, [noting('a', notes)], (_req, res) => {
    res.writeEarlyHints({ link: '</style.css>; rel=preload' })
    finish = () => { res.end('done') }
  })
  const socket = await openSocket(port)
  const reader = new SocketReader(socket)
  socket.write('GET /x HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
  t.match(await reader.head(), /^HTTP\/1.1 103 /)
  t.same(notes, ['a.request'], 'the head is open: neither response nor error ran')
  finish()
  t.match(await reader.head(), /^HTTP\/1.1 200 /)
  await reader.toEnd()
  t.same(withoutLogs(notes), ['a.request', 'a.response'])
})

test('pipeline: once the head is sent neither error nor response steps run, and the answer breaks', async (t) => {
  const notes: string[] = []
  let answering: ServerResponse | null = null
  const { port, gateway } = await start(t, [noting('a', notes)], (_req, res) => {
    res.writeHead(200, { 'content-length': 100_000 })
    res.write('some')
    answering = res
  })
  const socket = await openSocket(port)
  const reader = new SocketReader(socket)
  socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
  await reader.head()
  await reader.take(4)
  notes.push('broken')
  ;(answering as ServerResponse | null)?.destroy()
  await reader.toEnd()
  await until(() => gateway.requests === 0)
  t.same(notes, ['a.request', 'a.response', 'broken', 'a.log'])
})

test('pipeline: a client that goes while a step waits ends the request, aborts ctx.signal and logs once', async (t) => {
  const notes: string[] = []
  let aborted = false
  let entered = (): void => {}
  const waiting = new Promise<void>((resolve) => { entered = resolve })
  let late: (value: undefined) => void = () => {}
  const { port, gateway, upstream, bugs } = await start(t, [noting('a', notes, {
    request: (ctx) => {
      ctx.signal.addEventListener('abort', () => { aborted = true })
      entered()
      return new Promise<undefined>((resolve) => { late = resolve })
    }
  })])
  const socket = await openSocket(port)
  socket.write('GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
  await waiting
  socket.destroy()
  await once(socket, 'close')
  await until(() => gateway.requests === 0)
  t.ok(aborted)
  late(undefined)
  await ask(port, '/free')
  t.same(notes, ['a.log'])
  t.same(upstream.requests.map(({ target }) => target), ['/free'])
  t.same(bugs, [])
})

test('pipeline: what an upstream says in 404 and 405 terms is its own; the gateway\'s own 404 and 405 run the gateway\'s and the project\'s plugins', async (t) => {
  const notes: string[] = []
  const { port } = await start(t, [noting('outer', notes), noting('middle', notes), noting('inner', notes)], (_req, res) => { res.writeHead(404).end('mine') }, {
    plugins: ['outer'],
    project: { plugins: [use('middle')] },
    routes: [{ path: '/only-get', match: { methods: ['GET'] }, plugins: ['inner'] }]
  })
  for (const [path, method, status, steps] of [
    ['/only-get', 'GET', 404, ['outer', 'middle', 'inner']],
    ['/nothing', 'GET', 404, ['outer', 'middle']],
    ['/only-get', 'POST', 405, ['outer', 'middle']]
  ] as const) {
    notes.length = 0
    const answer = await ask(port, path, { method })
    t.equal(answer.status, status)
    t.same(withoutLogs(notes), [...steps.map((name) => `${name}.request`), ...[...steps].reverse().map((name) => `${name}.response`)], `${method} ${path}`)
    if (status === 405) t.equal(answer.headers.allow, 'GET, HEAD')
  }
})

test('pipeline: an answer that is no HTTP is a failure of the upstream, with the error steps asked', async (t) => {
  const notes: string[] = []
  const raw = await createRawUpstream('nonsense\r\n\r\n')
  t.teardown(() => raw.close())
  const gateway = await startGateway(t, { upstreamUrl: raw.url, authored: [noting('a', notes)], routes: [{ path: '/*', plugins: ['a'] }] })
  t.equal(errorOf(await ask(gateway.port, '/')).code, 'UPSTREAM_INVALID_RESPONSE')
  t.same(withoutLogs(notes), ['a.request', 'a.error', 'a.response'])
})
