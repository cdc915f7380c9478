import { test } from 'tap'
import fc from 'fast-check'
import { closest, editDistance } from '../../../core/lib/closest.js'
import { HeaderList } from '../../../core/lib/header-list.js'
import { compileTemplate, type TemplateEncoding, type TemplateSource } from '../../../core/lib/template.js'

type Consumer = ReturnType<NonNullable<TemplateSource['get']>>

function source (over: { query?: string, path?: string, headers?: string[], params?: Record<string, string>, consumer?: Consumer, route?: { id: string } | null } = {}): TemplateSource {
  return {
    id: 'req-1',
    request: {
      method: 'GET',
      path: over.path ?? '/a%20b/c',
      query: over.query ?? 'x=1&y=a+b%26',
      host: 'shop.example.com',
      scheme: 'https',
      clientAddress: '203.0.113.7',
      headers: new HeaderList(over.headers ?? ['x-foo', 'one', 'x-foo', 'two', 'accept', '*/*'])
    },
    params: over.params ?? { id: 'J%C3%BCrgen%2Fx', '*': 'rest/of%20it' },
    route: over.route === undefined ? { id: 'orders' } : over.route,
    project: over.route === null ? null : 'shop',
    get: () => over.consumer
  }
}

const render = (text: string, from = source(), encode?: TemplateEncoding): string => compileTemplate(text, { encode }).render(from)

test('template: every name reads what it says', (t) => {
  const from = source({ consumer: { id: 'c1', name: 'Ann', plan: 'pro' } })
  for (const [name, value] of Object.entries({
    'request.method': 'GET', 'request.path': '/a%20b/c', 'request.query': 'x=1&y=a+b%26', 'request.query.x': '1', 'request.query.y': 'a b&',
    'request.query.z': '', 'request.header.x-foo': 'one, two', 'request.header.X-Foo': 'one, two', 'request.header.none': '', 'request.host': 'shop.example.com',
    'request.scheme': 'https', 'request.id': 'req-1', 'client.ip': '203.0.113.7', 'route.id': 'orders', project: 'shop', 'params.id': 'Jürgen/x',
    'params.*': 'rest/of%20it', 'params.constructor': '', 'params.__proto__': '', 'consumer.id': 'c1', 'consumer.name': 'Ann', 'consumer.plan': 'pro'
  })) t.equal(render(`{{ ${name} }}`, from), value, name)
  for (const name of ['consumer.id', 'consumer.name', 'consumer.plan']) t.equal(render(`{{${name}}}`), '', `${name} without a consumer`)
  t.equal(render('{{ route.id }}{{ project }}', source({ route: null })), '', 'without a route')
  t.equal(compileTemplate('{{ consumer.id }}').render({ ...source(), get: undefined }), '', 'without slots')
  t.end()
})

test('template: text, defaults and literals stand where they are written', (t) => {
  t.equal(render('a {{ request.method }} b {{request.host}}{{ request.scheme }} c'), 'a GET b shop.example.comhttps c')
  t.equal(render('{{ request.header.none | "none" }}'), 'none')
  t.equal(render("{{request.header.none|'no \"one\"'}}"), 'no "one"')
  t.equal(render('{{ request.header.none | "say \\"}}\\"" }}'), 'say "}}"')
  t.equal(render('{{ request.method | "none" }}'), 'GET')
  t.equal(render('{{ request.header.empty | "none" }}', source({ headers: ['empty', ''] })), 'none', 'an empty value counts as absent')
  t.equal(render('a {{ "{{" }} b }} c'), 'a {{ b }} c')
  t.same(compileTemplate('{{ project }}{{ route.id }}{{ project }}').names, ['project', 'route.id'])
  t.end()
})

test('template: a text without names is a constant', (t) => {
  for (const text of ['', 'plain', '} }', 'a {{ "literal" }}']) {
    const template = compileTemplate(text)
    t.ok(template.isConstant, text)
    t.equal(template.render(source()), template.render(source({ query: 'other' })))
  }
  t.notOk(compileTemplate('{{ project }}').isConstant)
  t.end()
})

test('template: a wrong text does not compile, and the error says what to do', (t) => {
  for (const [text, message] of [
    ['{{ request.haeder.x-foo }}', /unknown name "request\.haeder\.x-foo" \(did you mean "request\.header\.x-foo"\?\)/],
    ['{{ request.headers.x }}', /did you mean "request\.header\.x"/],
    ['{{ request.methd }}', /did you mean "request\.method"/],
    ['{{ consumer.paln }}', /did you mean "consumer\.plan"/],
    ['{{ parms.id }}', /did you mean "params\.id"/],
    ['{{ params. }}', /unknown name "params\."/],
    ['{{ whatever }}', /known are .*client\.ip.*params\.NAME/],
    ['{{ constructor }}', /unknown name/],
    ['{{ __proto__ }}', /unknown name/],
    ['{{ request.header.a:b }}', /"a:b" is not a header name/],
    ['ab {{ project', /place at character 4 that can not be read/],
    ['{{}}', /can not be read/],
    ['{{ a b }}', /can not be read/],
    ['{{ project | none }}', /can not be read/],
    ['{{ project | "none }}', /can not be read/],
    ['{{ project | "\\x" }}', /not a JSON string/]
  ] as const) t.throws(() => compileTemplate(text), message, text)
  t.throws(() => compileTemplate('a\r\nb', { encode: 'header' }), /CR, LF or NUL/)
  t.equal(compileTemplate('a\nb').render(source()), 'a\nb', 'only header templates may not have lines')
  t.end()
})

test('template: encodings write values so that they can not leave their place', (t) => {
  const nasty = source({
    query: 'q=%0d%0aSet-Cookie:%20a=1%00"<b>%26é%E2%82%AC', headers: ['x-raw', 'caf\xe9 "x"', 'x-tab', 'a\tb'], path: '/a%0D/"<>\xe9', params: { id: 'a%2F..%2Fb', '*': 'x/"y' }
  })
  t.equal(render('{{ request.query.q }}', nasty), '  Set-Cookie: a=1 "<b>&é€')
  t.equal(render('{{ request.query.q }}', nasty, 'header'), '%0D%0ASet-Cookie: a=1%00"<b>&%C3%A9%E2%82%AC')
  t.equal(render('{{ request.query.q }}', nasty, 'url'), '%0D%0ASet-Cookie%3A%20a%3D1%00%22%3Cb%3E%26%C3%A9%E2%82%AC')
  t.equal(JSON.parse(`"${render('{{ request.query.q }}', nasty, 'json')}"`), '\r\nSet-Cookie: a=1\0"<b>&é€')
  t.equal(render('{{ request.query.q }}', nasty, 'html'), '  Set-Cookie: a=1 &quot;&lt;b&gt;&amp;é€')
  t.equal(render('{{ request.header.x-raw }}{{ request.header.x-tab }}', nasty, 'header'), 'caf\xe9 "x"a\tb', 'field bytes go on as they came')
  t.equal(render('{{ request.header.x-raw }}', nasty, 'url'), 'caf%E9%20%22x%22')
  t.equal(render('{{ request.path }}', nasty, 'url'), '/a%0D/%22%3C%3E%E9')
  t.equal(render('{{ params.* }}', nasty, 'url'), 'x/%22y')
  t.equal(render('{{ params.id }}', nasty, 'url'), 'a%2F..%2Fb')
  t.equal(render('{{ request.query }}', source({ query: 'a=b&c=%20"x"' }), 'url'), 'a=b&c=%20%22x%22')
  t.equal(render('{{ request.header.none | "a b" }}', nasty, 'url'), 'a%20b', 'defaults are encoded too')
  t.equal(render('{{ params.id }}', source({ params: { id: '%zz' } })), '%zz', 'invalid escapes stay')
  t.end()
})

test('template: nothing inserted holds CR, LF or NUL, whatever is sent', (t) => {
  const encodings: TemplateEncoding[] = ['none', 'header', 'url', 'json', 'html']
  const anything = fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom('\r', '\n', '\0', '%0d', '%0A', '%00', 'a', '%', '&', '=', '"', '<', '\ud800') }))
  const texts = encodings.map((encode) => compileTemplate('{{ request.query.q }}|{{ request.query }}|{{ params.id }}|{{ params.* }}|{{ request.path }}|{{ request.header.x }}|{{ consumer.name }}', { encode }))
  fc.assert(fc.property(anything, (value) => {
    const from = source({ query: `q=${value}`, path: value, params: { id: value, '*': value }, headers: ['x', value], consumer: { id: 'c', name: value } })
    for (const [index, text] of texts.entries()) {
      const rendered = text.render(from)
      if (/[\r\n\0]/.test(rendered)) return false
      // eslint's no-control-regex is about typing errors; here control characters are the point.
      if (encodings[index] === 'header' && /[^\t\x20-\x7e\x80-\xff]/.test(rendered)) return false
      if (encodings[index] === 'url' && /[^\x21-\x7e]/.test(rendered)) return false
    }
    return true
  }), { numRuns: 500 })
  t.pass('500 values through every encoding and form')
  t.end()
})

test('template: a query parameter is the one that URLSearchParams finds first', (t) => {
  const name = fc.constantFrom('a', 'b', 'a.b', 'é', 'a[0]')
  const value = fc.string({ unit: 'grapheme' }).filter((text) => !/[\r\n\0]/.test(text))
  fc.assert(fc.property(fc.array(fc.tuple(name, value)), name, (pairs, wanted) => {
    const params = new URLSearchParams(pairs)
    return render(`{{ request.query.${wanted} }}`, source({ query: params.toString() })) === (params.get(wanted) ?? '')
  }))
  for (const [query, expected] of [['a&b=', ''], ['a==x', '=x'], ['&&a=1&a=2', '1'], ['ab=1', ''], ['%61=1', '1'], ['a=%ff', '%ff']] as const) {
    t.equal(render('{{ request.query.a }}', source({ query })), expected, query)
  }
  t.end()
})

test('closest: finds what was meant, and nothing when nothing is near', (t) => {
  t.equal(closest('cosr', ['cors', 'respond']), 'cors')
  t.equal(closest('API-KEY', ['api-key', 'jwt']), 'api-key')
  t.equal(closest('zzzzzz', ['cors', 'respond']), null)
  t.equal(editDistance('abcd', 'acbd'), 1)
  t.equal(editDistance('kitten', 'sitting'), 3)
  fc.assert(fc.property(fc.string({ maxLength: 8 }), fc.string({ maxLength: 8 }), fc.nat(8), (a, b, limit) => {
    const whole = editDistance(a, b)
    return whole === editDistance(b, a) && (whole === 0) === (a === b) && editDistance(a, b, limit) === Math.min(whole, limit)
  }))
  t.end()
})
