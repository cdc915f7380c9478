import { IncomingMessage } from 'node:http'
import { Socket } from 'node:net'
import { test } from 'tap'
import { createLogger, type LogLevel } from '../../../core/observe/logger.js'
import type { LineWriter } from '../../../core/observe/line-writer.js'

const CANARY = 'canary-8c1f-0123456789abcdef'

function recording (level: LogLevel = 'debug') {
  const lines: string[] = []
  const destination: LineWriter = { beforeWriting: null, write (line) { lines.push(String(line)) }, flush: async () => {}, reopen () {}, close: async () => {}, dropped: 0 }
  return { lines, last: () => JSON.parse(lines.at(-1) as string) as Record<string, unknown>, logger: createLogger({ level, destination }) }
}

test('logger: a call is one JSON line with level, time, fields and message', async (t) => {
  const { logger, lines, last } = recording()
  logger.info({ project: 'shop', attempts: 2 }, 'loaded')
  t.match(last(), { level: 'info', pid: process.pid, project: 'shop', attempts: 2, msg: 'loaded' })
  t.ok(Math.abs(Date.now() - (last().time as number)) < 5000)
  for (const level of ['debug', 'warn', 'error'] as const) {
    logger[level]({}, 'x')
    t.equal(last().level, level)
  }
  t.equal(lines.length, 4)
  await logger.flush()
})

test('logger: leaves out what is below its level', async (t) => {
  const { logger, lines } = recording('warn')
  logger.debug({}, 'no')
  logger.info({}, 'no')
  logger.warn({}, 'yes')
  t.equal(lines.length, 1)
  recording('silent').logger.error({}, 'no')
})

test('logger: children carry their fields', async (t) => {
  const { logger, last } = recording()
  logger.child({ project: 'shop' }).child({ plugin: 'cors', apiKey: CANARY }).info({ a: 1 }, 'x')
  t.match(last(), { project: 'shop', plugin: 'cors', apiKey: '[redacted]', a: 1 })
})

test('logger: secrets never show: by name at any depth, in addresses, as bearer credentials, in errors', async (t) => {
  const { logger, lines } = recording()
  const error = new Error(`connect mongodb://bob:${CANARY}@db/x failed`, { cause: new Error(`sent Bearer ${CANARY}`) })
  Object.assign(error, { code: 'ECONNREFUSED', headers: { authorization: CANARY } })
  logger.info({ authorization: CANARY, cookie: CANARY, config: { users: [{ password: CANARY, name: 'bob' }] } }, 'x')
  logger.warn({ url: `https://bob:${CANARY}@x.example/`, header: `Basic ${CANARY}` }, `redis://:${CANARY}@cache:6379 is gone`)
  logger.error({ error }, 'failed')
  logger.error({ err: error, wrapped: { inner: new AggregateError([error], 'many') } }, 'failed')
  t.notMatch(lines.join(''), CANARY)
  t.match(lines.join(''), 'ECONNREFUSED')
  t.match(JSON.parse(lines[2] as string), { error: { name: 'Error', message: 'connect mongodb://[redacted]@db/x failed', code: 'ECONNREFUSED', stack: /logger\.test/, cause: { message: 'sent Bearer [redacted]' } } })
  t.match(JSON.parse(lines[0] as string), { config: { users: [{ name: 'bob' }] } })
})

test('logger: control characters never reach a terminal, and a line stays one', async (t) => {
  const { logger, lines, last } = recording()
  const hostile = '\r\n\u001b[31m\u009b2J\u2028\u202e\u007f'
  logger.info({ path: hostile, [hostile]: 1 }, hostile)
  t.notMatch((lines[0] as string).slice(0, -1), /[\u0000-\u001f\u007f-\u009f\u2028\u202e]/)
  t.match(last(), { path: hostile, msg: hostile, [hostile]: 1 })
})

test('logger: takes whatever it is given: no objects of classes, no cycles, no throwing', async (t) => {
  const { logger, lines, last } = recording()
  const loop: Record<string, unknown> = { name: 'loop' }
  loop.self = loop
  const request = new IncomingMessage(new Socket())
  request.headers.authorization = CANARY
  logger.info({
    loop, request, buffer: Buffer.from(CANARY), map: new Map([[CANARY, 1]]), big: 10n, symbol: Symbol('s'), run () {}, date: new Date(0), bad: new Date(NaN), url: new URL('https://x.example/'),
    list: Array.from({ length: 2000 }, (_, n) => n), long: 'x'.repeat(100_000), deep: { a: { b: { c: { d: { e: { f: 1 } } } } } }, nothing: null, missing: undefined, toJSON: { toJSON () { throw new Error('no') } }
  }, 'x')
  t.notMatch(lines.join(''), CANARY)
  t.ok((lines[0] as string).length < 40_000)
  t.match(last(), { loop: { name: 'loop', self: '[circular]' }, request: '[IncomingMessage]', buffer: '[Buffer]', map: '[Map]', big: '10', run: '[function run]', date: '1970-01-01T00:00:00.000Z', bad: 'Invalid Date', url: 'https://x.example/', nothing: null })
  t.equal((last().list as unknown[]).at(-1), '[1000 more]')
  logger.info(JSON.parse('{"__proto__":{"password":"x"},"constructor":1}') as Record<string, unknown>, 'x')
  t.notMatch(lines.at(-1), '"password":"x"')
  logger.info({ get broken (): never { throw new Error('no') } }, 'still said')
  t.match(last(), { unloggable: true, msg: 'still said' })
})

test('logger: masking takes linear time', async (t) => {
  const { logger } = recording()
  const start = performance.now()
  for (const text of ['a://'.repeat(4000), 'a'.repeat(16_000), `x://${':'.repeat(16_000)}`, 'Bearer '.repeat(2000)]) logger.info({}, text)
  t.ok(performance.now() - start < 1000, `${performance.now() - start} ms`)
})
