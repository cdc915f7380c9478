import { Transform } from 'node:stream'
import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { definePlugin, GatewayError, refuse, Reply, reply } from '../../../core/index.js'
import type { Plugin, PluginInstance } from '../../../core/plugin.js'
import { createInstances, closeInstances, CreateError } from '../../../core/pipeline/instances.js'
import type { Host } from '../../../core/host.js'
import { ask, errorOf } from '../../fixtures/ask.js'
import { startGateway, type TestUses } from '../../fixtures/gateway.js'
import { makePlugin, use } from '../../fixtures/pipeline.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream, type UpstreamHandler } from '../../fixtures/upstream.js'
import { until } from '../../fixtures/web-socket.js'

const TIMEOUT_MS = 150

async function start (t: Test, plugins: readonly Plugin[], handler?: UpstreamHandler) {
  const upstream = await createUpstream(handler)
  t.teardown(() => upstream.close())
  const uses: TestUses = plugins.map(({ name }) => [name, {}, { timeoutMs: TIMEOUT_MS }])
  return { upstream, ...await startGateway(t, { upstreamUrl: upstream.url, authored: plugins, routes: [{ path: '/*', plugins: uses }, { path: '/free' }] }) }
}

/** Values that JavaScript lets a hook return, and the contract does not. */
const STRAY: unknown[] = [null, true, false, 0, 'text', {}, { status: 401 }, [], Symbol('x'), () => undefined]

test('pipeline: a hook whose promise never settles is given up within its time-out, and only its route waits', async (t) => {
  const settle: ((value: never) => void)[] = []
  const never = (): Promise<never> => new Promise((resolve) => { settle.push(resolve) })
  for (const hooks of [{ request: never }, { response: never }, { request () { throw new Error('first') }, error: never }] as PluginInstance[]) {
    const { port, bugs, upstream, gateway } = await start(t, [makePlugin('stuck', hooks)])
    const startedAt = performance.now()
    const stuck = { answered: false }
    const asked = ask(port, '/x').finally(() => { stuck.answered = true })
    let others = 0
    let slowest = 0
    while (!stuck.answered) {
      const since = performance.now()
      t.equal((await ask(port, '/free')).status, 200)
      slowest = Math.max(slowest, performance.now() - since)
      others++
    }
    const answer = await asked
    const tookMs = performance.now() - startedAt
    t.ok(tookMs >= TIMEOUT_MS - 5 && tookMs < TIMEOUT_MS + 500, `answered after ${Math.round(tookMs)} ms, ${others} others meanwhile (slowest ${Math.round(slowest)} ms)`)
    t.equal(answer.status, 500)
    if (hooks.error === undefined) t.match(errorOf(answer), { code: 'INTERNAL_ERROR', details: { reason: 'plugin_timeout' } })
    t.match(bugs[bugs.length - 1], /"where":"stuck".*did not settle within 150 ms/, 'the log says which plugin')
    const forwarded = upstream.requests.length
    for (const one of settle.splice(0)) one(reply(200, { body: 'late' }) as never)
    await ask(port, '/free')
    await until(() => gateway.requests === 0)
    t.equal(upstream.requests.length, forwarded + 1, 'what settles later changes nothing')
  }
})

test('pipeline: the total time of a route bounds its steps and its bodies too, and aborts ctx.signal', async (t) => {
  let aborted = 0
  const watching = makePlugin('watching', { request (ctx) { ctx.signal.addEventListener('abort', () => { aborted++ }) } })
  const saving = makePlugin('saving', { error: async (_ctx, error) => { await new Promise((resolve) => setTimeout(resolve, 50)); return reply(504, { headers: { 'x-saved': '1' }, body: error.message }) } })
  const stuck = makePlugin('stuck', { request: () => new Promise(() => {}) })
  const buffering = makePlugin('buffering', { request () {} }, { body: { request: { buffer: '1mb' } } })
  const upstream = await createUpstream((_req, res) => { res.on('close', () => undefined) })
  t.teardown(() => upstream.close())
  const more = { timeouts: { totalMs: 300 } }
  const { port, bugs } = await startGateway(t, {
    upstreamUrl: upstream.url, authored: [watching, saving, stuck, buffering],
    routes: [
      { path: '/step', plugins: ['watching', 'stuck'], more }, { path: '/saved', plugins: ['saving', 'stuck'], more },
      { path: '/body', plugins: ['watching', 'buffering'], more }, { path: '/upstream', plugins: ['watching'], more }
    ]
  })
  for (const path of ['/step', '/saved', '/body', '/upstream']) {
    const startedAt = performance.now()
    const answer = path === '/body'
      ? (await sendRaw(port, 'POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc')).responses[0]
      : await ask(port, path)
    const tookMs = performance.now() - startedAt
    t.equal(answer?.status, 504, path)
    t.ok(tookMs > 290 && tookMs < 1_000, `${path} after ${Math.round(tookMs)} ms`)
    if (path === '/saved') t.match(answer, { headers: { 'x-saved': '1' } }, 'an error step that waits has its own time')
    else t.match(answer?.body.toString(), /"reason":"total_timeout"/)
  }
  t.equal(aborted, 3)
  t.same(bugs, [], 'it is no bug of the step')
})

test('pipeline: a rejection after the time-out is no unhandled one', async (t) => {
  let reject: (error: Error) => void = () => {}
  const { port, bugs } = await start(t, [makePlugin('stuck', { request: () => new Promise((_resolve, no) => { reject = no }) })])
  t.equal((await ask(port, '/x')).status, 500)
  reject(new Error('too late'))
  t.equal((await ask(port, '/free')).status, 200)
  t.equal(bugs.length, 1)
})

test('pipeline: an error step sees the time-out and may answer it', async (t) => {
  const { port } = await start(t, [
    makePlugin('saving', { error: (_ctx, error) => reply(503, { body: error.message }) }),
    makePlugin('stuck', { request: () => new Promise(() => {}) })
  ])
  t.same((await ask(port, '/x')).status, 503)
})

test('pipeline: a value that no hook may return is a bug, never a yes', async (t) => {
  for (const hook of ['request', 'response', 'error'] as const) {
    for (const late of [false, true]) {
      for (const value of STRAY) {
        const hooks = { [hook]: () => late ? Promise.resolve(value) : value, ...(hook === 'error' ? { request () { throw new Error('first') } } : {}) } as PluginInstance
        const { port, bugs, upstream } = await start(t, [makePlugin('stray', hooks)])
        const answer = await ask(port, '/x')
        t.equal(answer.status, 500)
        t.equal(upstream.requests.length, hook === 'response' ? 1 : 0, 'nothing got through')
        t.match(bugs[bugs.length - 1], new RegExp(`"where":"stray".*the ${hook} hook returned`))
      }
    }
  }
})

test('pipeline: whatever a hook throws or promises, it is a 500 and a line in the log', async (t) => {
  const unshowable = Object.create(null) as object
  const thenable = { then () { throw new Error('no promise at all') } }
  const silent = Object.assign(new Error(), { stack: undefined })
  for (const hooks of [
    { request () { throw unshowable } }, { request: () => Promise.reject(unshowable as Error) }, { request () { throw undefined } }, { request () { throw Symbol('x') } },
    { response () { throw unshowable } }, { request: () => thenable }, { response: () => thenable }, { request () { throw silent } },
    { request: () => refuse('CONFLICT', { details: { circular: thenable, big: 10n } }) }
  ] as unknown as PluginInstance[]) {
    const { port, bugs } = await start(t, [makePlugin('odd', hooks)])
    const { status } = await ask(port, '/x')
    t.ok(status === 500 ? bugs.length === 1 : status === 409 && bugs.length === 0, `${status}`)
  }
})

test('pipeline: a Reply from a response step is a bug: it comes too late to be one', async (t) => {
  const { port, bugs } = await start(t, [makePlugin('stray', { response: (() => reply(403)) as unknown as () => undefined })])
  t.equal((await ask(port, '/x')).status, 500)
  t.match(bugs, [/the response hook returned a Reply/])
})

test('pipeline: what a hook makes and HTTP does not know is a bug with the line that made it, not the end of the process', async (t) => {
  const cases: [string, PluginInstance][] = [
    ['a header beyond latin1', { response (ctx) { ctx.response.headers.set('x', 'zażółć') } }],
    ['a header with a line break', { response (ctx) { ctx.response.headers.set('x', 'a\r\nSet-Cookie: b') } }],
    ['a header with NUL', { request (ctx) { ctx.forward.headers.append('x', 'a\0b') } }],
    ['a header with a control character', { request (ctx) { ctx.forward.headers.append('x', 'a\u0001b') } }],
    ['a header that is a number', { response (ctx) { ctx.response.headers.set('x', 5 as unknown as string) } }],
    ['a header name with a space', { response (ctx) { ctx.response.headers.set('x y', 'z') } }],
    ['an answer\'s header beyond latin1', { request: () => reply(200, { headers: { x: 'zażółć' } }) }],
    ['a refusal\'s header with a line break', { request: () => refuse('AUTHORIZATION_ERROR', { headers: ['x', 'a\r\nSet-Cookie: b'] }) }],
    ['a failure\'s header with a line break', { request () { throw new GatewayError('AUTHORIZATION_ERROR', { headers: ['x', 'a\r\nSet-Cookie: b'] }) } }],
    ['a status below 200', { response (ctx) { ctx.response.status = 101 } }],
    ['a status that is no number', { response (ctx) { ctx.response.status = NaN } }],
    ['a Reply without a status', { request: () => new Reply(99, [], null) }],
    ['a Reply with an object for a body', { request: () => new Reply(200, [], { a: 1 } as unknown as string) }],
    ['a Reply without fields', { request: () => new Reply(200, undefined as unknown as string[], null) }],
    ['a forward body that is an object', { request (ctx) { ctx.forward.body = { a: 1 } as unknown as string } }],
    ['an answer\'s body that is a number', { response (ctx) { ctx.response.body = 5 as unknown as string } }],
    ['a forward path with a space', { request (ctx) { ctx.forward.path = '/a b' } }],
    ['a forward path with a line break', { request (ctx) { ctx.forward.path = '/a\r\nHost: evil' } }],
    ['a forward query with a line break', { request (ctx) { ctx.forward.query = 'a\r\nb' } }],
    ['a forward method that is none', { request (ctx) { ctx.forward.method = 'G T' } }],
    ['fields written past the check', { request (ctx) { ctx.forward.headers.flat.push('x', 'a\r\nb') } }]
  ]
  for (const [why, hooks] of cases) {
    const { port, bugs } = await start(t, [makePlugin('wrong', hooks)])
    const answer = await ask(port, '/x')
    t.equal(answer.status, 500, why)
    t.equal(errorOf(answer).code, 'INTERNAL_ERROR')
    t.ok(bugs.length === 1, `${why}: the log has it once`)
    const kept = await sendRaw(port, 'GET /x HTTP/1.1\r\nHost: a\r\n\r\n')
    t.same(kept.responses.map(({ status }) => status), [500], `${why}: nor does it split an answer on a connection that stays open`)
    t.notMatch(kept.bytes.toString('latin1'), /set-cookie/i)
    t.equal((await ask(port, '/free')).status, 200)
  }
})

const throwing = (): Transform => new Transform({ transform () { throw new Error('thrown in a transform') } })
const failing = (): Transform => new Transform({ transform (_chunk, _encoding, done) { done(new Error('failed in a transform')) } })
const flushing = (): Transform => new Transform({ transform (_chunk, _encoding, done) { done() }, flush () { throw new Error('thrown in a flush') } })
const vanishing = (): Transform => { const stream: Transform = new Transform({ transform () { stream.destroy() } }); return stream }
const objects = (): Transform => new Transform({ readableObjectMode: true, transform (_chunk, _encoding, done) { done(null, { an: 'object' }) } })
const through = (): Transform => new Transform({ transform (chunk, _encoding, done) { done(null, chunk) } })

test('pipeline: a request transform that fails is a 500 with its error in the log, wherever it stands', async (t) => {
  for (const make of [throwing, failing, flushing, vanishing, objects]) {
    for (const chain of [[make], [through, make], [make, through]]) {
      if (make === objects && chain[0] === make && chain.length > 1) continue
      for (const body of ['whole', ['in ', 'pieces']]) {
        const plugin = makePlugin('wrong', { request (ctx) { for (const one of chain) ctx.forward.transform(one()) } }, { body: { request: 'stream' } })
        const { port, bugs } = await start(t, [plugin])
        const answer = await ask(port, '/x', { method: 'POST', body })
        t.match([answer.status, errorOf(answer)], [500, { code: 'INTERNAL_ERROR', details: { reason: 'request_transform' } }], `${make.name}, ${chain.length}`)
        t.equal(bugs.length, 1)
        t.match(bugs[0], /"where":"request transform"/)
        t.equal((await ask(port, '/free')).status, 200)
      }
    }
  }
})

test('pipeline: a request transform that fails after the upstream has answered harms nothing', async (t) => {
  let fail = (): void => {}
  const late = (): Transform => new Transform({ transform (chunk, _encoding, done) { fail = () => { done(new Error('late')) }; this.push(chunk) } })
  const plugin = makePlugin('wrong', { request (ctx) { ctx.forward.transform(late()) } }, { body: { request: 'stream' } })
  const upstream = await createUpstream((_req, res) => { res.end('early') }, { stream: true })
  t.teardown(() => upstream.close())
  const { port } = await startGateway(t, { upstreamUrl: upstream.url, authored: [plugin], routes: [{ path: '/*', plugins: ['wrong'] }] })
  const answer = await ask(port, '/x', { method: 'POST', body: ['a', 'b'] })
  t.same([answer.status, answer.text], [200, 'early'])
  fail()
  await new Promise((resolve) => { setImmediate(resolve) })
  t.equal((await ask(port, '/x')).status, 200)
})

test('pipeline: a response transform that fails breaks its own answer off, with its error in the log', async (t) => {
  for (const make of [throwing, failing, flushing, vanishing]) {
    for (const chain of [[make], [through, make], [make, through]]) {
      const plugin = makePlugin('wrong', { response (ctx) { for (const one of chain) ctx.response.transform(one()) } }, { body: { response: 'stream' } })
      const { port, bugs, gateway } = await start(t, [plugin])
      const answer = await ask(port, '/x').catch(() => null)
      t.notOk(answer?.complete, `${make.name}, ${chain.length}: no clean end`)
      await until(() => gateway.requests === 0)
      t.equal(bugs.length, 1)
      t.match(bugs[0], /"where":"response transform"/)
      t.equal((await ask(port, '/free')).status, 200)
    }
  }
})

test('pipeline: a log hook that throws stops neither the answer nor the other log hooks', async (t) => {
  let logged = 0
  const { port, bugs, gateway } = await start(t, [makePlugin('a', { log () { throw new Error('in a log hook') } }), makePlugin('b', { log () { logged++ } })])
  t.equal((await ask(port, '/x')).status, 200)
  await until(() => gateway.requests === 0)
  t.equal(logged, 1)
  t.match(bugs, [/in a log hook/])
})

test('pipeline: a plugin that does not come up is told with its step, and what came up before is closed', async (t) => {
  const closed: string[] = []
  const good = (name: string): Plugin => definePlugin({ name, stage: 'edge', config: Type.Object({}), create: () => ({ close () { closed.push(name) } }) })
  const limits = { createMs: 50, closeMs: 50 }
  for (const [create, message] of [
    [() => { throw new Error('no database') }, /no database/],
    [() => Promise.reject(new Error('no database')), /no database/],
    [() => undefined, /returned no instance/],
    [() => Promise.resolve(null), /returned no instance/],
    [() => new Promise(() => {}), /did not come to an end within 50 ms/]
  ] as [() => PluginInstance, RegExp][]) {
    closed.length = 0
    const bad = definePlugin({ name: 'bad', stage: 'edge', config: Type.Object({}), create })
    const steps = [good('a'), bad, good('c')].map((plugin) => ({ use: use(plugin.name), plugin, stage: 'edge' as const, level: 'route' as const, replaces: null }))
    const error: unknown = await Promise.resolve().then(() => createInstances(steps, () => ({}) as Host, limits)).catch((reason: unknown) => reason)
    t.ok(error instanceof CreateError)
    t.match((error as CreateError).findings, [{ path: ['plugins', 'bad'], message }])
    await until(() => closed.includes('a'))
  }
  let come: (instance: PluginInstance) => void = () => {}
  const slow = definePlugin({ name: 'slow', stage: 'edge', config: Type.Object({}), create: () => new Promise<PluginInstance>((resolve) => { come = resolve }) })
  await t.rejects(async () => await createInstances([{ use: use('slow'), plugin: slow, stage: 'edge', level: 'route', replaces: null }], () => ({}) as Host, limits))
  let late = false
  come({ close () { late = true } })
  await until(() => late)
  t.pass('one that comes up too late is closed too')
})

test('pipeline: every instance is closed, whatever the close of another does', async (t) => {
  const closed: string[] = []
  const close = (name: string) => ({ close () { closed.push(name) } })
  const instances: PluginInstance[] = [close('a'), { close () { throw new Error('thrown') } }, { close: () => Promise.reject(new Error('rejected')) }, { close: () => new Promise(() => {}) }, {}, close('b')]
  await t.rejects(closeInstances(instances, { createMs: 50, closeMs: 50 }), /thrown/)
  t.same(closed, ['a', 'b'])
})
