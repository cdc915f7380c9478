import fc from 'fast-check'
import { test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import type { RawResponse } from '../../fixtures/raw-response.js'
import { expectRefused, startStrict, type StrictGateway } from '../../fixtures/refusals.js'

const GUARD = [['respond', { status: 403 }] as const]
const NOBODY = [['ip-restriction', { deny: ['0.0.0.0/0', '::/0'] }] as const]
/** What is behind `/admin` and `/api/v1/keys` is nobody's; everything else goes on. */
const ROUTES = [
  { path: '/admin/*', plugins: GUARD }, { path: '/api/v1/keys', plugins: NOBODY }, { path: '/files/*', more: { allowEncodedSlashes: true } }, { path: '/users/:id' }, { path: '/*' }
]

async function ask (gateway: StrictGateway, target: string, method = 'GET', fields = ''): Promise<RawResponse> {
  const { responses } = await sendRaw(gateway.port, Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: a\r\n${fields}\r\n`, 'latin1'), { settleMs: 0, methods: [method] })
  return responses[0] as RawResponse
}

/** How the most lenient upstream would read a path: everything decoded, parameters gone, backslashes as slashes, repeated ones merged, dots resolved. */
function leniently (target: string): string {
  const path = (target.split('?', 1)[0] as string).replace(/%[0-9A-Fa-f]{2}/g, (escape) => String.fromCharCode(parseInt(escape.slice(1), 16))).replaceAll('\\', '/')
  const kept: string[] = []
  for (const segment of path.split('/').map((part) => part.split(';', 1)[0] as string)) {
    if (segment === '..') kept.pop()
    else if (segment !== '.' && segment !== '') kept.push(segment)
  }
  return `/${kept.join('/')}`
}

const isProtected = (path: string): boolean => path === '/admin' || path.startsWith('/admin/') || path === '/api/v1/keys'

test('strict: no alias of a protected path gets around what protects it', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES })
  const aliases: readonly (readonly [target: string, status: number])[] = [
    ['/admin', 403], ['/admin/', 403], ['/admin/x', 403], ['//admin/x', 403], ['/admin//x', 403], ['///admin///x', 403], ['/./admin/x', 403], ['/x/../admin/x', 403], ['/%2e/admin/x', 403], ['/x/%2e%2e/admin/x', 403], ['/x/.%2E/admin', 403],
    ['/x/..//admin', 403], ['/%61dmin/x', 403], ['/%61%64%6D%69%6e', 403], ['/a%64min?x', 403], ['/admin?', 403], ['/admin/%2e', 403], ['/admin/../admin', 403], ['http://a/admin', 403], ['HTTP://A//admin', 403], ['/api/v1/keys', 403],
    ['/api/v1/./keys', 403], ['/api//v1/keys', 403], ['/api/v1/%6beys', 403], ['/users/../admin', 403], ['/files/../admin', 403],
    // Two readings, of which one is protected.
    ['/admin;x=1', 400], ['/admin;x=1/y', 400], ['/x/..;/admin', 400], ['/users/..;/admin', 400], ['/;/admin', 400], ['/;x/admin/y', 400], ['/admin%3Bx', 400], ['/api/v1/keys/', 400], ['/api/v1/keys;a', 400], ['/api/v1;a/keys', 400], ['/api/v1/keys;a/', 400],
    ['/admin%2fx', 400], ['/admin%2Fx', 400], ['/admin%5cx', 400], ['/admin%2f..%2fx', 400], ['/x%2f..%2fadmin', 400], ['/%2fadmin', 400], ['/x/..%2fadmin', 400], ['/%5cadmin', 400], ['/api/v1%2fkeys', 400], ['/users/..%2fadmin', 400],
    ['/files/..%2fadmin', 400], ['/files/..%5Cadmin%2Fx', 400], ['/files/x%2f..%2f..%2fadmin', 400], ['/files/..;%2fadmin', 400], ['/files%2f..%2fadmin', 400],
    // No path.
    ['/\\admin', 400], ['/x\\..\\admin', 400], ['\\admin', 400], ['/admin%00', 400], ['/%00/admin', 400], ['/admin\0', 400], ['/../admin', 400], ['/x/../../admin', 400], ['/%2e%2e/admin', 400], ['/..;/admin', 400], ['admin', 400], ['%2Fadmin', 400], ['/admin%', 400],
    ['/admin%2', 400], ['/%zzadmin', 400], ['/%c0%afadmin', 400], ['/%e0%80%afadmin', 400], ['/%f0%80%80%afadmin', 400], ['/%c1%a1dmin', 400], ['/%ed%a0%80', 400], ['/%ff', 400], ['/admin%0d%0aX:y', 400], ['/admin%09', 400], ['/\xe1dmin', 400], ['/admin#x', 400],
    ['/admin%7f', 400], ['http://a@evil/admin', 400]
  ]
  for (const [target, status] of aliases) {
    const answer = await ask(gateway, target)
    t.equal(answer.status, status, JSON.stringify(target))
  }
  t.same(gateway.handled, [], 'nothing reached the upstream')
  t.same(gateway.bugs, [])
})

test('strict: what only resembles a protected path is another path, and goes on as it is', async (t) => {
  const gateway = await startStrict(t, { routes: ROUTES })
  // Paths are compared byte for byte (RFC 3986 section 6.2.2.1) and decoded once.
  for (const target of ['/ADMIN/x', '/Admin', '/administrator', '/admin.', '/admin%20', '/admin%252fx', '/%2561dmin', '/admin%25', '/API/v1/keys', '/api/v1/keys2', '/xadmin', '/users/admin', '/admi', '/.admin', '/...', '/files/a%2Fb', '/files/%2F', '/files/a%5Cb']) {
    t.equal((await ask(gateway, target)).status, 200, target)
    t.equal(gateway.handled.at(-1)?.target, target)
  }
})

test('strict: nothing that any reading of a path finds protected reaches the upstream', async (t) => {
  const token = fc.constantFrom('/', '/', '/', 'admin', 'admin', 'api', 'v1', 'keys', 'files', 'users', 'x', '.', '..', '%2e', '%2E%2e', '%2f', '%2F', '%5c', '%5C', '\\', ';', ';a=b', '%3b', '%3B', '%61dmin', 'adm%69n', '//', '%252f', '%25', '%00', '%c0%af', '?', 'A', '%41', ':', '%3A')
  for (const keepRepeatedSlashes of [false, true]) {
    const gateway = await startStrict(t, { routes: ROUTES, listen: { keepRepeatedSlashes } })
    let served = 0
    await fc.assert(fc.asyncProperty(fc.array(token, { minLength: 1, maxLength: 9 }), async (tokens) => {
      gateway.handled.length = 0
      const target = `/${tokens.join('')}`
      const { status } = await ask(gateway, target)
      const [got] = gateway.handled
      if (got === undefined) return [400, 403].includes(status)
      served++
      return status === 200 && !isProtected(leniently(got.target)) && !isProtected(leniently(target))
    }), { numRuns: 600 })
    t.ok(served > 50, `many got through (${served})`)
    t.same(gateway.bugs, [])
  }
})

test('strict: what the upstream gets is the normal form of the path, and the query byte for byte', async (t) => {
  const gateway = await startStrict(t)
  const cases: readonly (readonly [sent: string, got: string])[] = [
    ['/%7Euser/%41', '/~user/A'], ['/a/./b/../c', '/a/c'], ['/a//b', '/a/b'], ['/caf%c3%a9', '/caf%C3%A9'], ['/a%20b', '/a%20b'], ['/a"b<c>', '/a%22b%3Cc%3E'], ['/a%21b', '/a%21b'], ['/a!b', '/a!b'], ['/.', '/'], ['/a/.', '/a/'],
    ['/?a=b', '/?a=b'], ['/x?/../y//z', '/x?/../y//z'], ['/x?%2e%2E%2f%zz%', '/x?%2e%2E%2f%zz%'], ['/x??a=?b', '/x??a=?b'], ['/x?a=1&a=2&&=&b', '/x?a=1&a=2&&=&b'], ['/x?a[]=1&a[b]={"c":<d>}|^`', '/x?a[]=1&a[b]={"c":<d>}|^`'], ['/x?a=b\\c', '/x?a=b\\c'],
    ['/x?%0d%0aSet-Cookie:a', '/x?%0d%0aSet-Cookie:a'], ['/x?a+b%20c', '/x?a+b%20c'], [`/x?${'a'.repeat(8_000)}`, `/x?${'a'.repeat(8_000)}`], ['http://a', '/'], ['http://a?b', '/?b'], ['http://A/b//c?d//e', '/b/c?d//e']
  ]
  for (const [sent, got] of cases) {
    t.equal((await ask(gateway, sent)).status, 200, sent.slice(0, 60))
    t.equal(gateway.handled.at(-1)?.target, got, sent.slice(0, 60))
  }
  await expectRefused(t, gateway, ['/a%2fb', '/a%5Cb', '/%2F'].map((target) => ({ name: target, bytes: `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, status: 400, reason: 'encoded_slash' })))
})

test('strict: a protected path is protected for every method', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: '/admin/*', plugins: GUARD }, { path: '/only', match: { methods: ['GET'] } }, { path: '/*' }] })
  for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS', 'PROPFIND', 'PURGE', 'LINK', 'M-SEARCH', 'SEARCH']) {
    t.equal((await ask(gateway, '/admin/x', method, method === 'POST' ? 'Content-Length: 0\r\n' : '')).status, 403, method)
  }
  for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override', 'X_HTTP_Method_Override', 'Access-Control-Request-Method']) {
    t.equal((await ask(gateway, '/admin/x', 'OPTIONS', `Origin: http://b\r\n${name}: DELETE\r\n`)).status, 403, `OPTIONS with ${name}`)
    t.equal((await ask(gateway, '/admin/x?_method=DELETE', 'GET', `${name}: OPTIONS\r\n`)).status, 403, `GET with ${name}`)
  }
  t.same(gateway.handled, [])
  await ask(gateway, '/x', 'POST', 'X-HTTP-Method-Override: DELETE\r\nContent-Length: 0\r\n')
  t.same([gateway.handled[0]?.method, gateway.handled[0]?.headers.filter(([name]) => /override/i.test(name))], ['POST', []], 'the upstream is told of no other method')
  const preflight = await ask(gateway, '/only', 'OPTIONS', 'Origin: http://b\r\nAccess-Control-Request-Method: GET\r\n')
  t.equal(preflight.status, 405, 'a preflight that no plugin answers is not forwarded where its route does not take OPTIONS')
  t.match(preflight.header('allow'), /GET, HEAD/)
  const head = await ask(gateway, '/only', 'HEAD')
  t.same([head.status, head.body.length], [200, 0])
  const closed = await Promise.all(['TRACE', 'CONNECT'].map(async (method) => await sendRaw(gateway.port, `${method} ${method === 'CONNECT' ? 'b:443' : '/x'} HTTP/1.1\r\nHost: b\r\n\r\nGET /pipelined HTTP/1.1\r\nHost: a\r\n\r\n`, { untilClose: true })))
  t.same(closed.map(({ responses }) => responses.map(({ status }) => status)), [[405], [405]])
  await expectRefused(t, gateway, ['get', 'Get', 'GETT', 'QUERYX', 'G'].map((method) => ({ name: method, bytes: `${method} /x HTTP/1.1\r\nHost: a\r\n\r\n`, status: 400 })))
  t.same(gateway.handled.map(({ method }) => method), ['POST', 'HEAD'])
})
