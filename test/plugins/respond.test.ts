import { test } from 'tap'
import { ConfigError } from '../../core/errors.js'
import { FakeClock, testPlugin } from '../../core/testing.js'
import respond from '../../plugins/respond/index.js'

async function answerOf (config: unknown, init: Parameters<Awaited<ReturnType<typeof testPlugin>>['request']>[0] = {}, slots: Record<string, unknown> = {}) {
  const result = await (await testPlugin(respond, config, { slots })).request(init)
  return { ...result, text: result.body.toString(), type: result.headers.get('content-type') }
}

async function findingsOf (config: unknown): Promise<string[]> {
  const error = await testPlugin(respond, config).then(() => null, (reason: unknown) => reason)
  const cause = error instanceof Error ? error.cause : null
  return cause instanceof ConfigError ? cause.findings.map(({ path, message }) => `${path.join('.')}: ${message}`) : [String(error)]
}

test('respond: answers a text, a JSON value or nothing, and forwards nothing', async (t) => {
  const text = await answerOf({ body: 'hello\nworld', status: 503, headers: { 'Retry-After': '120' } })
  t.same([text.status, text.type, text.text, text.headers.get('retry-after')], [503, 'text/plain; charset=utf-8', 'hello\nworld', '120'])
  t.equal(text.forwarded, null)
  const json = await answerOf({ body: { ok: true, list: [1, 'a "quoted" text', null], nested: { a: -1.5 }, empty: {}, none: [] } })
  t.equal(json.type, 'application/json; charset=utf-8')
  t.same(JSON.parse(json.text), { ok: true, list: [1, 'a "quoted" text', null], nested: { a: -1.5 }, empty: {}, none: [] })
  for (const value of [false, 0, 7, []]) t.same(JSON.parse((await answerOf({ body: value })).text), value)
  const nothing = await answerOf({ status: 204 })
  t.same([nothing.status, nothing.text, nothing.type], [204, '', undefined])
  t.equal((await answerOf({ body: '{}', contentType: 'application/problem+json' })).type, 'application/problem+json')
})

test('respond: a constant answer is made once, and HEAD gets its head', async (t) => {
  const plugin = await testPlugin(respond, { body: { a: 1 } })
  const [one, two] = [await plugin.request(), await plugin.request({ method: 'HEAD' })]
  t.equal(one.body.toString(), '{"a":1}')
  t.equal(two.body.length, 0)
  t.equal(two.headers.get('content-length'), '7')
})

test('respond: puts values of the request in, escaped for where they stand', async (t) => {
  const target = `/?q=${encodeURIComponent('"},{"admin":true,"x":"<b>\r\n')}`
  const json = await answerOf({ body: { 'key {{ project }}': 'q is "{{ request.query.q }}"', method: ['{{ request.method }}'], none: '{{ request.query.n | "no \\"n\\"" }}' } }, { target })
  t.same(JSON.parse(json.text), { 'key {{ project }}': 'q is ""},{"admin":true,"x":"<b>\r\n"', method: ['GET'], none: 'no "n"' })
  const written = await answerOf({ body: '{"q":"{{ request.query.q }}"}', contentType: 'application/json' }, { target })
  t.same(JSON.parse(written.text), { q: '"},{"admin":true,"x":"<b>\r\n' })
  const html = await answerOf({ body: '<p title="{{ request.query.q }}">', contentType: 'Text/HTML; charset=utf-8' }, { target })
  t.equal(html.text, '<p title="&quot;},{&quot;admin&quot;:true,&quot;x&quot;:&quot;&lt;b&gt;  ">')
  const form = await answerOf({ body: 'q={{ request.query.q }}&ok=1', contentType: 'application/x-www-form-urlencoded' }, { target: '/?q=a%26ok=2' })
  t.equal(form.text, 'q=a%26ok%3D2&ok=1')
  const header = await answerOf({ headers: { 'x-q': '{{ request.query.q }}', 'x-none': '{{ request.query.n }}' } }, { target })
  t.equal(header.headers.get('x-q'), '"},{"admin":true,"x":"<b>%0D%0A')
  t.notOk(header.headers.has('x-none'), 'an empty value is left out')
  const consumer = await answerOf({ body: 'hi {{ consumer.name }}' }, {}, { consumer: { id: 'c1', name: 'Jürgen €' } })
  t.equal(consumer.text, 'hi Jürgen €')
})

test('respond: Prefer chooses an example', async (t) => {
  const config = {
    body: 'main',
    headers: { vary: 'Accept' },
    examples: [{ name: 'not-found', status: 404, body: { message: 'no {{ request.path }}' } }, { name: 'empty', status: 204 }]
  }
  const plugin = await testPlugin(respond, config)
  for (const [prefer, status, applied] of [
    [null, 200, undefined],
    ['example=not-found', 404, 'example=not-found'],
    ['respond-async, example="not-found"', 404, 'example=not-found'],
    ['code=404; Example = empty', 204, 'example=empty'],
    ['example=nothing', 200, undefined],
    ['example=constructor', 200, undefined],
    ['counterexample=empty', 200, undefined],
    ['example=', 200, undefined]
  ] as const) {
    const result = await plugin.request({ target: '/a/b', headers: prefer === null ? [] : [['prefer', prefer]] })
    t.equal(result.status, status, prefer ?? 'without Prefer')
    t.equal(result.headers.get('preference-applied'), applied)
    t.match(result.headers.get('vary'), status === 200 ? 'Accept, Prefer' : 'Prefer')
    if (status === 404) t.same(JSON.parse(result.body.toString()), { message: 'no /a/b' })
  }
})

test('respond: holds the answer back for the delay', async (t) => {
  const clock = new FakeClock()
  const plugin = await testPlugin(respond, { body: 'late', delay: '250ms' }, { clock })
  let answered = false
  const pending = plugin.request().then((result) => { answered = true; return result })
  await new Promise(setImmediate)
  clock.advance(249)
  await new Promise(setImmediate)
  t.notOk(answered, 'not after 249 ms')
  clock.advance(1)
  t.equal((await pending).body.toString(), 'late')
})

test('respond: a wrong config is refused, every finding at once', async (t) => {
  t.match(await findingsOf({
    status: 204,
    body: 'x',
    headers: { 'Content-Type': 'a/b', 'content-length': '1', 'x-a': '{{ request.methd }}' },
    examples: [{ name: 'a', body: { deep: ['{{ nonsense }}'] } }, { name: 'a', status: 304, body: 0 }]
  }), [
    /^headers\.Content-Type: "content-type" can not stand here: there is a key for it/,
    /^headers\.content-length: "content-length" can not stand here: it belongs to the framing/,
    /^headers\.x-a: .*did you mean "request\.method"/,
    /^body: an answer with status 204 has no body/,
    /^examples\.0\.body: .*unknown name "nonsense"/,
    /^examples\.1\.name: there are two examples "a"/,
    /^examples\.1\.body: an answer with status 304 has no body/
  ])
  for (const config of [{ status: 199 }, { status: 600 }, { status: 200.5 }, { delay: 'soon' }, { contentType: 'a/b\r\nx: y' }, { contentType: 'html' }, { bdoy: 'x' }, { headers: { 'a b': 'x' } }, { examples: [{ name: 'a b' }] }]) {
    t.match(await findingsOf(config), [/^TypeError: /], JSON.stringify(config))
  }
})
