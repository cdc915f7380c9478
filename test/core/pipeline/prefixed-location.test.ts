import { test } from 'tap'
import { prefixedLocation } from '../../../core/pipeline/prefixed-location.js'

const TAKEN = { prefix: '/p/shop', authority: 'gw.example:8080', target: { authority: '10.0.0.1:9000', basePath: '' } }

test('prefixed location: paths and addresses of the target or of the gateway itself lead below the prefix', (t) => {
  const led: [string, string][] = [
    ['/', '/p/shop/'], ['/login?next=/a#b', '/p/shop/login?next=/a#b'], ['/p/other/x', '/p/shop/p/other/x'], ['/p/shopping', '/p/shop/p/shopping'],
    ['http://10.0.0.1:9000/a', '/p/shop/a'], ['HTTPS://10.0.0.1:9000', '/p/shop/'], ['http://10.0.0.1:9000?x=1', '/p/shop/?x=1'], ['//10.0.0.1:9000/a', '/p/shop/a'],
    ['http://gw.example:8080/a', '/p/shop/a'], ['https://GW.example:8080/a', '/p/shop/a'], ['http://10.0.0.1:9000//evil.example/', '/p/shop//evil.example/']
  ]
  for (const [from, to] of led) t.equal(prefixedLocation(from, TAKEN), to, from)
  t.end()
})

test('prefixed location: what leads elsewhere, is relative, or has the prefix already stays as it is', (t) => {
  for (const location of [
    'https://elsewhere.example/a', 'http://10.0.0.1:9001/a', 'http://user@10.0.0.1:9000/a', '//elsewhere.example/a', '/\\elsewhere.example', 'http:\\\\10.0.0.1:9000/a', 'a/b', '../a', '?x=1', '#top', '', 'mailto:a@b.example',
    '/p/shop', '/p/shop/a', '/p/shop?x=1', 'http://gw.example:8080/p/shop/a'
  ]) t.equal(prefixedLocation(location, TAKEN), location)
  t.end()
})

test('prefixed location: what is put before paths for the target is taken off first', (t) => {
  const taken = { ...TAKEN, target: { authority: '10.0.0.1:9000', basePath: '/base' } }
  for (const [from, to] of [['/base/a', '/p/shop/a'], ['/base', '/p/shop'], ['/base?x=1', '/p/shop?x=1'], ['/bases/a', '/p/shop/bases/a'], ['/a', '/p/shop/a'], ['http://10.0.0.1:9000/base/a', '/p/shop/a']] as const) t.equal(prefixedLocation(from, taken), to)
  t.equal(prefixedLocation('/base/a', { ...TAKEN, target: null }), '/p/shop/base/a', 'a step knows nothing of the target')
  t.end()
})
