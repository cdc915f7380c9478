import { test } from 'tap'
import { Type } from 'typebox'
import { definePlugin, refuse, reply } from '../../../core/index.js'
import { ask, errorOf } from '../../fixtures/ask.js'
import { startGateway } from '../../fixtures/gateway.js'
import { makePlugin, use } from '../../fixtures/pipeline.js'
import { createUpstream } from '../../fixtures/upstream.js'

test('endpoints: a plugin serves its own paths in its project, behind the steps before it and not behind itself', async (t) => {
  const notes: string[] = []
  const closed: string[] = []
  const login = definePlugin({
    name: 'login',
    stage: 'authenticate',
    config: Type.Object({ callback: Type.String({ default: '/callback' }) }, { additionalProperties: false }),
    endpoints: {
      callback: { methods: ['GET', 'POST'], path: ({ callback }) => callback },
      logout: { methods: ['POST'], path: '/logout' },
      silent: { methods: ['GET'], path: '/silent' }
    },
    create ({ callback }) {
      const refusal = refuse('AUTHENTICATION_ERROR')
      return {
        request () { notes.push('login.request'); return refusal },
        response () { notes.push('login.response') },
        endpoints: {
          callback: async (ctx) => { await Promise.resolve(); return reply(200, { body: { at: callback, query: ctx.request.query, project: ctx.project, body: String(ctx.body) } }) },
          logout: () => reply(204),
          silent: (() => undefined) as unknown as () => ReturnType<typeof reply>
        },
        close () { closed.push('login') }
      }
    }
  })
  const outer = makePlugin('outer', { request () { notes.push('outer.request') }, response (ctx) { notes.push('outer.response'); ctx.response.headers.set('x-outer', '1') } }, { stage: 'edge' })
  const inner = makePlugin('inner', { request () { notes.push('inner.request') } }, { stage: 'transform' })
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const { port, bugs, reload } = await startGateway(t, {
    upstreamUrl: upstream.url, authored: [login, outer, inner], plugins: ['outer'],
    project: { basePath: '/api', plugins: [use('login', { config: { callback: '/auth/back' } }), use('inner')] },
    routes: [{ path: '/*' }]
  })
  t.equal((await ask(port, '/api/orders')).status, 401)
  notes.length = 0
  const answer = await ask(port, '/api/auth/back?code=1')
  t.match([answer.status, JSON.parse(answer.text), answer.headers['x-outer']], [200, { at: '/auth/back', query: 'code=1', project: 'test', body: 'null' }, '1'])
  t.same(notes, ['outer.request', 'outer.response'], 'neither its own request step nor what comes behind it')
  t.equal((await ask(port, '/api/auth/back', { method: 'POST', body: 'x' })).status, 200)
  t.equal((await ask(port, '/api/logout', { method: 'POST' })).status, 204)
  t.equal((await ask(port, '/api/logout')).status, 401, 'another method is the wildcard\'s')
  t.same(bugs, [])
  const silent = await ask(port, '/api/silent')
  t.match([silent.status, errorOf(silent).code], [500, 'INTERNAL_ERROR'], 'an endpoint that gives no answer is a bug')
  t.match(bugs, [/"where":"login".*silent.* gave no Reply/])
  t.equal(upstream.requests.length, 0)
  const before = closed.length
  await reload({ upstreamUrl: upstream.url, routes: [{ path: '/*' }] })
  t.equal((await ask(port, '/auth/back')).status, 200, 'gone with the plugin: the wildcard has it')
  t.ok(closed.length > before, 'and its instances are closed')
})
