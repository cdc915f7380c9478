import { test } from 'tap'
import { ConfigError } from '../../core/errors.js'
import { testPlugin, type TestOptions } from '../../core/testing.js'
import headers from '../../plugins/headers/index.js'

type Pairs = readonly (readonly [string, string])[]

async function forwardedFields (config: unknown, sent: Pairs, target = '/', options: TestOptions = {}): Promise<[string, string][]> {
  const result = await (await testPlugin(headers, { request: config }, options)).request({ target, headers: sent })
  return [...result.forwarded?.headers ?? []].filter(([name]) => name !== 'host')
}

async function findingsOf (config: unknown): Promise<string[]> {
  const error = await testPlugin(headers, config).then(() => null, (reason: unknown) => reason)
  const cause = error instanceof Error ? error.cause : null
  return cause instanceof ConfigError ? cause.findings.map(({ path, message }) => `${path.join('.')}: ${message}`) : [String(error)]
}

test('headers: edits the forwarded request in the order remove, rename, set, add', async (t) => {
  t.same(await forwardedFields({
    add: { 'X-A': ['three', 'four'] },
    set: { 'x-a': 'two' },
    rename: { 'x-old': 'x-a' },
    remove: ['X-A']
  }, [['x-a', 'sent'], ['x-old', 'one'], ['accept', '*/*'], ['x-a', 'again']]), [
    ['x-a', 'two'], ['accept', '*/*'], ['x-a', 'three'], ['x-a', 'four']
  ])
})

test('headers: remove takes every field of a name away, and of all that begin with x-*', async (t) => {
  const sent: Pairs = [['x-internal-a', '1'], ['cookie', 'a=1'], ['x-internal', '2'], ['cookie', 'b=2'], ['accept', '*/*'], ['x-internal-b', '3']]
  t.same(await forwardedFields({ remove: ['Cookie', 'x-internal-*'] }, sent), [['x-internal', '2'], ['accept', '*/*']])
  const plugin = await testPlugin(headers, { request: { remove: ['content-*'] } })
  const { forwarded } = await plugin.request({ method: 'POST', headers: { 'content-type': 'text/plain', 'content-length': '3' }, body: 'abc' })
  t.same([forwarded?.headers.get('content-type'), forwarded?.headers.get('content-length')], [undefined, '3'], 'the framing stays')
})

test('headers: rename keeps values and places, replaces the new name, and does nothing without the old one', async (t) => {
  const rename = { rename: { 'x-old': 'x-new' } }
  t.same(await forwardedFields(rename, [['x-new', 'sent'], ['x-old', '1'], ['accept', '*/*'], ['x-old', '2']]), [['x-new', '1'], ['accept', '*/*'], ['x-new', '2']])
  t.same(await forwardedFields(rename, [['x-new', 'sent']]), [['x-new', 'sent']])
  t.same(await forwardedFields({ rename: { 'x-a': 'X-A' } }, [['x-a', '1']]), [['x-a', '1']], 'to itself')
})

test('headers: set leaves one field in the first one\'s place, and none for an empty value', async (t) => {
  t.same(await forwardedFields({ set: { 'x-a': 'new', 'x-b': 'b' } }, [['x-a', '1'], ['accept', '*/*'], ['x-a', '2']]), [['x-a', 'new'], ['accept', '*/*'], ['x-b', 'b']])
  const plan = { set: { 'x-plan': '{{ consumer.plan }}' }, add: { 'x-name': '{{ consumer.name }}' } }
  t.same(await forwardedFields(plan, [['x-plan', 'enterprise']]), [], 'what the client sent does not stand in')
  t.same(await forwardedFields(plan, [['x-plan', 'enterprise']], '/', { slots: { consumer: { id: 'c1', name: 'Ann', plan: 'free' } } }), [['x-plan', 'free'], ['x-name', 'Ann']])
})

test('headers: templates read the request as it came in, and can not split a header', async (t) => {
  const fields = await forwardedFields({
    remove: ['x-foo'],
    set: { 'x-a': '{{ request.header.x-foo }}', 'x-b': '{{ request.query.q }}', 'x-c': 'v-{{ request.method }}-{{ route.id }}-{{ project }}' }
  }, [['x-foo', 'bar']], '/?q=%0d%0aX-Evil:%201%00%C5%82', { route: 'orders', project: 'shop' })
  t.same(fields, [['x-a', 'bar'], ['x-b', '%0D%0AX-Evil: 1%00%C5%82'], ['x-c', 'v-GET-orders-shop']])
})

test('headers: edits the answer, refusals of its own project included', async (t) => {
  const plugin = await testPlugin(headers, {
    response: { remove: ['server'], rename: { 'x-upstream': 'x-origin' }, set: { 'x-for': '{{ request.id }}' }, add: { 'set-cookie': ['a=1', 'b=2'] } }
  }, { upstream: ({ path }) => { if (path === '/down') throw new Error('gone'); return { headers: { server: 'x', 'x-upstream': 'one', 'set-cookie': 'c=3' }, body: 'hi' } } })
  const result = await plugin.request({ target: '/' })
  t.equal(result.status, 200)
  t.notOk(result.headers.has('server'))
  t.equal(result.headers.get('x-origin'), 'one')
  t.match(result.headers.get('x-for'), /^test-/)
  t.same(result.headers.getAll('set-cookie'), ['c=3', 'a=1', 'b=2'])
  t.equal(result.body.toString(), 'hi')
  const failed = await plugin.request({ target: '/down' })
  t.equal(failed.status, 502)
  t.match(failed.headers.get('x-for'), /^test-/)
})

test('headers: runs only the hooks that have something to do', async (t) => {
  const none = await (await testPlugin(headers, {})).request()
  t.same(none.decisions, [])
  const one = await (await testPlugin(headers, { response: { set: { a: 'b' } } })).request()
  t.same(one.decisions.map(({ hook }) => hook), ['response'])
})

test('headers: refuses fields of the connection and the framing, Host, doubles and unknown names, all at once', async (t) => {
  for (const name of ['Connection', 'keep-alive', 'Proxy-Connection', 'proxy-authenticate', 'proxy-authorization', 'TE', 'Trailer', 'Transfer-Encoding', 'Content-Length', 'Upgrade', 'HTTP2-Settings', 'expect']) {
    for (const direction of ['request', 'response']) {
      for (const [key, value] of Object.entries({ remove: [name], rename: { [name]: 'x' }, set: { [name]: 'x' }, add: { [name]: 'x' } })) {
        t.match(await findingsOf({ [direction]: { [key]: value } }), [new RegExp(`^${direction}\\.${key}\\.(0|${name}): "${name.toLowerCase()}" can not be edited: it belongs to`)], `${direction} ${key} ${name}`)
      }
      t.match(await findingsOf({ [direction]: { rename: { x: name } } }), [/can not be edited/], `${direction} rename to ${name}`)
    }
  }
  t.match(await findingsOf({ request: { set: { Host: 'x' } } }), [/request\.set\.Host: "host" can not be edited/])
  t.same(await findingsOf({ response: { remove: ['host'] } }), ['null'], 'an answer may have a field of that name')
  t.match(await findingsOf({
    request: { set: { 'X-A': '1', 'x-a': '2', 'x-b': '{{ request.haeder.a }}' }, remove: ['te'] },
    response: { add: { 'x-c': ['fine', '{{ nonsense }}'], 'x-d': 'a\r\nb' } }
  }), [
    /request\.remove\.0: "te"/,
    /request\.set\.x-a: "x-a" stands twice in "set"/,
    /request\.set\.x-b: .*did you mean "request\.header\.a"/,
    /response\.add\.x-c: .*unknown name "nonsense"/,
    /response\.add\.x-d: .*CR, LF or NUL/
  ])
  for (const config of [{ set: { 'a b': 'x' } }, { add: { 'a\r\nb': 'x' } }, { rename: { 'x:y': 'x' } }, { rename: { x: '' } }, { remove: ['x\n'] }, { set: { x: 1 } }]) {
    t.match(await findingsOf({ response: config }), [/^TypeError: /], `${JSON.stringify(config)} is the schema's business`)
  }
})
