import { test } from 'tap'
import { challengeNameOf, reachesInto, isCoveredBy, readDomainName } from '../../../core/lib/domain-name.js'

test('domain name: what is claimed is kept in one form', (t) => {
  const forms: [string, string][] = [
    ['API.Example.COM', 'api.example.com'], ['api.example.com.', 'api.example.com'], ['bücher.example', 'xn--bcher-kva.example'], ['BÜCHER。example', 'xn--bcher-kva.example'], ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['*.Bücher.example', '*.xn--bcher-kva.example'], ['a.co.uk', 'a.co.uk'], ['mine.github.io', 'mine.github.io'], ['city.kobe.jp', 'city.kobe.jp'], ['co.nosuchtop', 'co.nosuchtop'], ['a-b.c-d.example', 'a-b.c-d.example'], ['ｅxample.com', 'example.com']
  ]
  for (const [text, name] of forms) t.same(readDomainName(text), { name, problem: null }, text)
  t.end()
})

test('domain name: what nobody can show to have is refused, and says why', (t) => {
  const refused: [string, RegExp][] = [
    ['127.0.0.1', /address/], ['127.1', /address/], ['0x7f.0.0.1', /address/], ['１２７.0.0.1', /address/], ['[::1]', /name alone/], ['::1', /name alone/], ['*.10.0.0.1', /address/],
    ['example', /single label/], ['com', /single label/], ['localhost', /single label/], ['a.localhost', /"localhost"/], ['*.localhost', /single label/], ['printer.local', /"local"/], ['db.internal', /"internal"/], ['1.0.0.127.in-addr.arpa', /"arpa"/], ['x.onion', /"onion"/],
    ['co.uk', /public suffix/], ['*.co.uk', /public suffix/], ['com.au', /public suffix/], ['github.io', /public suffix/], ['*.vercel.app', /public suffix/], ['any.kobe.jp', /public suffix/], ['公司.cn', /public suffix/], ['xn--55qx5d.cn', /public suffix/], ['nosuchtop', /single label/],
    ['', /no domain name/], ['.', /no domain name/], ['*', /"\*"/], ['*.', /no domain name/], ['a.*.example', /"\*"/], ['*.*.example', /"\*"/], ['a..example', /no domain name/], ['-a.example', /no domain name/], ['a_b.example', /no domain name/], ['xn--a.example', /no domain name/],
    ['https://a.example', /name alone/], ['a.example:443', /name alone/], ['a.example/x', /name alone/], ['u@a.example', /name alone/], ['a.example?x', /name alone/], ['ex%41mple.com', /name alone/], ['a example.com', /name alone/], ['a.example\n', /name alone/],
    [`${'a'.repeat(64)}.example`, /no domain name/], [`${'a.'.repeat(125)}example`, /at most 235/], ['a\0.example', /no domain name/]
  ]
  for (const [text, problem] of refused) {
    const { name, problem: told } = readDomainName(text)
    t.equal(name, null, text)
    t.match(told, problem, text)
  }
  t.ok(readDomainName(`${'a.'.repeat(114)}example`).name, 'the longest that there may be')
  t.end()
})

test('domain name: a wildcard is proven above it, and where names lie is told by whole labels', (t) => {
  t.equal(challengeNameOf('api.example.com'), '_sluice-challenge.api.example.com')
  t.equal(challengeNameOf('*.example.com'), '_sluice-challenge.example.com')
  t.same(['example.com', 'a.example.com', '*.example.com', '*.a.example.com', 'badexample.com', 'com'].map((name) => reachesInto(name, 'example.com')), [true, true, true, true, false, false])
  t.same(['*.com', '*.example.com', 'b.a.example.com', '*.example.org', 'example.com'].map((name) => reachesInto(name, 'a.example.com')), [true, true, true, false, false], 'a wildcard above takes what is below, too')
  const covered = (name: string, pattern: string): boolean => isCoveredBy(name, pattern)
  t.same([covered('a.example.com', 'a.example.com'), covered('a.example.com', '*.example.com'), covered('*.a.example.com', '*.example.com'), covered('*.example.com', '*.example.com')], [true, true, true, true])
  t.same([covered('example.com', '*.example.com'), covered('*.example.com', 'a.example.com'), covered('*.com', '*.example.com'), covered('a.badexample.com', '*.example.com')], [false, false, false, false])
  t.end()
})
