/**
 * What a plugin author may and may not write. Each `@ts-expect-error` is a wrong use: `plugin-contract.test.ts` compiles this file and
 * holds that every one of them, and nothing else, fails.
 */
import { Transform } from 'node:stream'
import { definePlugin, refuse, reply, Type, type Consumer, type Plugin } from 'sluice'

interface Session { readonly user: string }

declare module 'sluice' {
  interface Slots { session: Session, scopes: readonly string[] }
}

const config = Type.Object({ header: Type.String({ default: 'x' }), most: Type.Optional(Type.Integer()) }, { additionalProperties: false })

/** A right use of everything. */
export const right: Plugin = definePlugin({
  name: 'right',
  description: 'Uses everything.',
  stage: ['authenticate', 'authorize'],
  provides: ['session'],
  requires: ['consumer', ['scopes', 'session'], 'scopes?'],
  identityHeaders: ['x-user'],
  operatorOnly: true,
  body: ({ most }) => ({ request: { buffer: most ?? '1mb', inflate: true }, response: 'stream' }),
  endpoints: { callback: { methods: ['GET'], path: ({ header }) => `/${header}` } },
  config,
  check: ({ header }) => header === '' ? [{ path: ['header'], message: 'empty', remedy: 'name one' }] : [],
  async create ({ header, most }, host) {
    const text: string = header
    const count: number | undefined = most
    host.log.info({ text, count }, 'made')
    const refusal = refuse('AUTHORIZATION_ERROR', { details: { reason: 'no' }, headers: ['retry-after', '1'] })
    return {
      request (ctx) {
        const consumer: Consumer = ctx.get('consumer')
        const scopes: readonly string[] | undefined = ctx.get('scopes')
        const session: Session | undefined = ctx.get('session')
        const body: Buffer | null = ctx.body
        ctx.set('session', { user: consumer.id })
        ctx.forward.body = new Uint8Array(1)
        ctx.forward.transform(new Transform())
        ctx.annotate('scopes', scopes?.length ?? 0)
        if (session === undefined || body === null) return refusal
        return Promise.resolve(reply(200, { body: { ok: true } }))
      },
      async response (ctx) {
        const whole: Buffer | null = ctx.response.body
        ctx.response.body = `${String(whole)}!`
        ctx.response.status = 203
        await Promise.resolve()
      },
      error (_ctx, error) { if (error.message === '') return reply(500) },
      log (ctx) { ctx.annotate('status', ctx.outcome.status) },
      endpoints: { callback: (ctx) => reply(302, { headers: { location: ctx.request.path } }) },
      async close () { await Promise.resolve() }
    }
  }
})

/** No config, no slots: the least there can be. */
export const least: Plugin = definePlugin({ name: 'least', stage: 'edge', config: Type.Object({}), create: () => ({}) })

const base = { name: 'wrong', stage: 'edge', config } as const

// @ts-expect-error there is no such stage
definePlugin({ ...base, stage: 'before', create: () => ({}) })
// @ts-expect-error one of these stages does not exist
definePlugin({ ...base, stage: ['edge', 'late'], create: () => ({}) })
// @ts-expect-error log is a hook, not a stage
definePlugin({ ...base, stage: 'log', create: () => ({}) })
// @ts-expect-error no such slot is declared anywhere
definePlugin({ ...base, provides: ['nothing'], create: () => ({}) })
// @ts-expect-error no such slot is declared anywhere
definePlugin({ ...base, requires: ['nothing'], create: () => ({}) })
// @ts-expect-error no such optional slot
definePlugin({ ...base, requires: ['nothing?'], create: () => ({}) })
// @ts-expect-error a requirement of several slots, one of which does not exist
definePlugin({ ...base, requires: [['consumer', 'nothing']], create: () => ({}) })
// @ts-expect-error no such body mode
definePlugin({ ...base, body: { request: 'all' }, create: () => ({}) })
// @ts-expect-error a buffer has a maximum
definePlugin({ ...base, body: { request: { inflate: true } }, create: () => ({}) })
// @ts-expect-error there is no third direction
definePlugin({ ...base, body: { trailers: 'stream' }, create: () => ({}) })
// @ts-expect-error a plugin has a config schema
definePlugin({ name: 'wrong', stage: 'edge', create: () => ({}) })
// @ts-expect-error a plugin has a stage
definePlugin({ name: 'wrong', config, create: () => ({}) })
// @ts-expect-error a plugin makes instances
definePlugin({ ...base })
// @ts-expect-error create returns an instance
definePlugin({ ...base, create: () => undefined })

definePlugin({
  ...base,
  create (settings) {
    // @ts-expect-error the config has no such key
    void settings.heder
    // @ts-expect-error an optional key may be absent
    const most: number = settings.most
    return { close () { void most } }
  }
})

definePlugin({
  ...base,
  // @ts-expect-error the config's modes come from its keys
  body: (settings) => ({ request: { buffer: settings.heder } }),
  create: () => ({})
})

definePlugin({
  ...base,
  provides: ['session'],
  requires: ['consumer?', ['scopes', 'session']],
  create: () => ({
    request (ctx) {
      // @ts-expect-error an optional slot may be empty
      const consumer: Consumer = ctx.get('consumer')
      // @ts-expect-error one of several may be empty
      const scopes: readonly string[] = ctx.get('scopes')
      // @ts-expect-error what it provides itself may be empty still
      const session: Session = ctx.get('session')
      // @ts-expect-error it does not provide this slot
      ctx.set('consumer', { id: '1' })
      // @ts-expect-error the slot holds something else
      ctx.set('session', { name: 'x' })
      void [consumer, scopes, session]
    }
  })
})

definePlugin({
  ...base,
  create: () => ({
    request (ctx) {
      // @ts-expect-error it did not ask for this slot
      ctx.get('consumer')
      // @ts-expect-error there is no answer yet
      void ctx.response
      // @ts-expect-error the request is as it came
      ctx.request.path = '/other'
      // @ts-expect-error a body is a string or bytes
      ctx.forward.body = { a: 1 }
      // @ts-expect-error transforms are streams
      ctx.forward.transform((text: string) => text)
    },
    response (ctx) {
      // @ts-expect-error a status is a number
      ctx.response.status = '200'
      // @ts-expect-error a body is a string or bytes
      ctx.response.body = { a: 1 }
      // @ts-expect-error the outcome is for log
      void ctx.outcome
    }
  })
})

// @ts-expect-error a request hook returns nothing or a Reply
definePlugin({ ...base, create: () => ({ request: () => true }) })
// @ts-expect-error a request hook returns a Reply, not a look-alike
definePlugin({ ...base, create: () => ({ request: () => ({ status: 401 }) }) })
// @ts-expect-error a request hook's promise is of nothing or a Reply
definePlugin({ ...base, create: () => ({ request: async () => 'no' }) })
// @ts-expect-error a request hook does not return null
definePlugin({ ...base, create: () => ({ request: () => null }) })
// @ts-expect-error a response hook can not answer
definePlugin({ ...base, create: () => ({ response: () => reply(200) }) })
// @ts-expect-error an error hook returns nothing or a Reply
definePlugin({ ...base, create: () => ({ error: () => 500 }) })
// @ts-expect-error a log hook can not wait
definePlugin({ ...base, create: () => ({ log: async () => { await Promise.resolve() } }) })
// @ts-expect-error there is no such hook
definePlugin({ ...base, create: () => ({ before () {} }) })
// @ts-expect-error an endpoint's handler has to be one that is declared
definePlugin({ ...base, endpoints: { a: { methods: ['GET'], path: '/a' } }, create: () => ({ endpoints: { b: () => reply(200) } }) })
// @ts-expect-error an endpoint always answers
definePlugin({ ...base, endpoints: { a: { methods: ['GET'], path: '/a' } }, create: () => ({ endpoints: { a: () => undefined } }) })
// @ts-expect-error no such error code
refuse('NOT_ALLOWED')
// @ts-expect-error header values are texts
reply(200, { headers: { 'content-length': 5 } })
