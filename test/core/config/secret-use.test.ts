import { test } from 'tap'
import { findSecretUse } from '../../../core/config/secret-use.js'

test('secret use: names the places, and the routes that they are for', (t) => {
  const config = {
    upstreams: { a: { targets: ['https://a.example'], tls: { key: '${secret:PEM}' } }, 'b/c': { targets: ['https://b.example'] } },
    plugins: [{ headers: { request: { set: { 'x~y': 'Bearer ${secret:ALL} ${secret:TOKEN}' } } } }],
    routes: [
      { id: 'first', match: { path: '/1' }, upstream: 'a', plugins: [{ headers: { request: { set: { a: '${secret:ONE}' } } } }] },
      { match: { path: '/2', methods: ['get', 'POST'] }, upstream: 'b/c', plugins: [{ headers: { request: { set: { a: '$${secret:ONE}', '${secret:ONE}': 'x' } } } }] },
      { match: { pathRegex: '/3.*' }, upstream: 'a' }
    ]
  }
  t.same(findSecretUse(config, 'ONE'), { routes: ['first'], places: ['/routes/0/plugins/0/headers/request/set/a'] }, 'neither a literal nor a key names it')
  t.same(findSecretUse(config, 'PEM'), { routes: ['first', '* ~/3.*'], places: ['/upstreams/a/tls/key'] })
  t.same(findSecretUse(config, 'TOKEN'), { routes: ['first', 'GET,POST /2', '* ~/3.*'], places: ['/plugins/0/headers/request/set/x~0y'] })
  t.equal(findSecretUse(config, 'TOKE'), null)
  t.equal(findSecretUse(null, 'ONE'), null)
  t.same(findSecretUse({ routes: '${secret:ONE}' }, 'ONE'), { routes: [], places: ['/routes'] })
  t.end()
})
