import { Transform } from 'node:stream'
import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin, type BodyModes, type Plugin, type PluginInstance } from '../../../core/plugin.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict, type StrictGateway } from '../../fixtures/refusals.js'

const never = async (): Promise<undefined> => await new Promise<undefined>(() => {})
const thrown = (value: unknown): never => { throw value }

/** What an author's plugin may do wrong, each with the answer that its route gives. */
const FAULTS: Readonly<Record<string, { hooks: PluginInstance, status: number, body?: BodyModes }>> = {
  'throws': { hooks: { request: () => thrown(new Error('secret inside')) }, status: 500 },
  'throws-text': { hooks: { request: () => thrown('secret inside') }, status: 500 },
  'throws-nothing': { hooks: { request: () => thrown(undefined) }, status: 500 },
  'throws-what-can-not-be-shown': { hooks: { request: () => thrown({ get message (): string { throw new Error('secret inside') }, toString: () => thrown(new Error('secret inside')) }) }, status: 500 },
  'rejects': { hooks: { request: async () => { await Promise.resolve(); return thrown(new Error('secret inside')) } }, status: 500 },
  'response-throws': { hooks: { response: () => thrown(new Error('secret inside')) }, status: 500 },
  'response-rejects': { hooks: { response: async () => { await Promise.resolve(); thrown(new Error('secret inside')) } }, status: 500 },
  'error-throws': { hooks: { request: () => thrown(new Error('secret inside')), error: () => thrown(new Error('secret inside')) }, status: 500 },
  'log-throws': { hooks: { log: () => thrown(new Error('secret inside')) }, status: 200 },
  'returns-nonsense': { hooks: { request: (() => ({ status: 200 })) as unknown as NonNullable<PluginInstance['request']> }, status: 500 },
  'returns-a-number': { hooks: { request: (() => 7) as unknown as NonNullable<PluginInstance['request']> }, status: 500 },
  'returns-null': { hooks: { request: (() => null) as unknown as NonNullable<PluginInstance['request']> }, status: 500 },
  'sets-a-bad-field': { hooks: { request (ctx) { ctx.forward.headers.set('x-a', 'a\r\nb: c') } }, status: 500 },
  'sets-a-bad-answer-field': { hooks: { response (ctx) { ctx.response.headers.append('x-a', 'a\r\nb: c') } }, status: 500 },
  'forwards-to-nowhere': { hooks: { request (ctx) { ctx.forward.target = 'no address' } }, status: 500 },
  'forwards-nonsense': { hooks: { request (ctx) { ctx.forward.path = '/a b\r\nc' } }, status: 500 },
  'never-answers': { hooks: { request: never }, status: 500 },
  'response-never-ends': { hooks: { response: never }, status: 500 },
  'transform-throws': { hooks: { request (ctx) { ctx.forward.transform(new Transform({ transform: () => thrown(new Error('secret inside')) })) } }, status: 500, body: { request: 'stream' } }
}

const plugins = Object.entries(FAULTS).map(([name, { hooks, body }]): Plugin => definePlugin({
  name, stage: 'transform', config: Type.Object({}), ...(body === undefined ? {} : { body }), create: () => hooks as never
}))

const ask = async (gateway: StrictGateway, path: string): Promise<{ status: number | undefined, text: string, ms: number }> => {
  const begun = performance.now()
  const { responses, bytes } = await sendRaw(gateway.port, `POST ${path} HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello`, { timeoutMs: 8_000 })
  return { status: responses[0]?.status, text: bytes.toString(), ms: performance.now() - begun }
}

test('strict: what a plugin does wrong is its route\'s failure and nobody else\'s', async (t) => {
  const gateway = await startStrict(t, { authored: plugins, routes: [...Object.keys(FAULTS).map((name) => ({ path: `/${name}`, plugins: [name] })), { path: '/fine' }] })
  const crashed: unknown[] = []
  const crash = (error: unknown): void => { crashed.push(error) }
  process.on('unhandledRejection', crash)
  t.teardown(() => { process.off('unhandledRejection', crash) })
  const others: (number | undefined)[] = []
  const run = { over: false }
  const traffic = (async () => { while (!run.over) others.push((await ask(gateway, '/fine')).status) })()
  await Promise.all(Object.entries(FAULTS).map(async ([name, { status }]) => {
    const answer = await ask(gateway, `/${name}`)
    t.equal(answer.status, status, name)
    t.ok(answer.ms < 6_500, `${name}: within its budget (${Math.round(answer.ms)} ms)`)
    t.notMatch(answer.text, /secret inside|\.js/, `${name}: nothing of it is shown`)
  }))
  run.over = true
  await traffic
  t.same(new Set(others), new Set([200]), `${others.length} requests to another route meanwhile`)
  t.same(crashed, [], 'nothing escaped')
  t.ok(gateway.bugs.some((line) => line.includes('secret inside')), 'the log has it')
})
