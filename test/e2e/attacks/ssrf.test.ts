import type { LookupAddress } from 'node:dns'
import { createServer, type AddressInfo, type Server } from 'node:net'
import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { definePlugin } from '../../../core/plugin.js'
import type { LookupAll } from '../../../core/proxy/guarded-connector.js'
import { startGateway, type TestGateway } from '../../fixtures/gateway.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { createUpstream } from '../../fixtures/upstream.js'

/** A port on every loopback address that counts who came. */
async function createTrap (t: Test): Promise<{ port: number, visits: () => number }> {
  let visits = 0
  const listen = async (host: string, port: number): Promise<Server> => await new Promise((resolve, reject) => {
    const server = createServer((socket) => { visits++; socket.destroy() })
    server.on('error', reject).listen({ host, port, ipv6Only: host === '::' }, () => { resolve(server) })
    t.teardown(() => { server.close() })
  })
  const { port } = (await listen('0.0.0.0', 0)).address() as AddressInfo
  await listen('::', port).catch((error: NodeJS.ErrnoException) => { if (error.code !== 'EAFNOSUPPORT' && error.code !== 'EADDRNOTAVAIL') throw error })
  return { port, visits: () => visits }
}

/** Answers with what `answers` has for a name, and tells how often it was asked. */
function fakeNames (answers: (name: string, time: number) => readonly string[]): LookupAll & { asked: number } {
  const lookup = ((name, _options, callback) => {
    const found = answers(name, fake.asked++).map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 }))
    setImmediate(() => { callback(null, found) })
  }) as LookupAll
  const fake = Object.assign(lookup, { asked: 0 })
  return fake
}

const UPGRADE = 'Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n'

/** Sends a plain request, a body and an upgrade, and returns what each was answered. */
async function tryAll (gateway: TestGateway): Promise<string[]> {
  const answers: string[] = []
  for (const request of ['GET / HTTP/1.1\r\nHost: a\r\n\r\n', 'POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\nhi', `GET / HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`]) {
    const { responses: [response] } = await sendRaw(gateway.port, request, { timeoutMs: 8_000, settleMs: 0 })
    const body = String(response?.body)
    const { error } = body.startsWith('{') ? JSON.parse(body) as { error?: { details?: { reason?: string } } } : {}
    answers.push(`${response?.status} ${error?.details?.reason ?? body}`)
  }
  return answers
}

const REFUSED = Array(3).fill('502 target_not_allowed')
const project = { origin: 'tenant' } as const

test('ssrf: no spelling of an inner address that a tenant\'s upstream has is ever connected to', async (t) => {
  const trap = await createTrap(t)
  for (const host of [
    '127.0.0.1', '127.1', '2130706433', '0x7f.1', '0177.0.0.1', '0', '0.0.0.0', '127.0.0.1.', '[::1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:a9fe:a9fe]', '[::7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]',
    '169.254.169.254', '100.64.0.1', '10.0.0.1', '[fd00:ec2::254]', '[fe80::1]', 'localhost', 'localhost.', '8.8.8.8\\@127.0.0.1', 'u@127.0.0.1'
  ]) {
    for (const scheme of ['http', 'https']) {
      const gateway = await startGateway(t, { upstreamUrl: `${scheme}://${host}:${trap.port}`, routes: [{ path: '/*' }], project, lookup: fakeNames((name) => name.startsWith('localhost') ? ['::1', '127.0.0.1'] : ['127.0.0.1']) })
      if (host.includes('\\')) t.equal(new URL(`${scheme}://${host}`).hostname, '8.8.8.8', 'the backslash ends the host: another reader would go to what stands behind it')
      else t.same(await tryAll(gateway), REFUSED, `${scheme}://${host}`)
      t.same(gateway.bugs, [])
    }
  }
  t.equal(trap.visits(), 0, 'nothing came')
})

test('ssrf: names are judged by all of what they resolve to, and the answer is not asked for again', async (t) => {
  const trap = await createTrap(t)
  const ways: [string, (name: string, time: number) => string[]][] = [
    ['a name for an inner address', () => ['127.0.0.1']],
    ['a public and an inner address', () => ['93.184.216.34', '127.0.0.1']],
    ['a public IPv4 and an inner IPv6 address', () => ['93.184.216.34', '::1']],
    ['an inner address that looks like IPv6', () => ['::ffff:127.0.0.1']],
    ['the metadata service', () => ['169.254.169.254']]
  ]
  for (const [title, answers] of ways) {
    const lookup = fakeNames(answers)
    const gateway = await startGateway(t, { upstreamUrl: `http://innocent.example:${trap.port}`, routes: [{ path: '/*' }], project, lookup })
    t.same(await tryAll(gateway), REFUSED, title)
    t.ok(lookup.asked >= 3, 'each connection is judged anew: what was public when it was saved may be an inner address now')
    t.ok(gateway.logLines.some((line) => line.includes('not in egress.allow')), 'the log tells where it led')
  }
  t.equal(trap.visits(), 0, 'nothing came')
})

test('ssrf: a name that turns inward after it was checked is not asked again: the checked address is connected to', async (t) => {
  const trap = await createTrap(t)
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const port = Number(new URL(upstream.url).port)
  // 127.0.0.1 stands for the public address here; at each second time the name leads elsewhere.
  const lookup = fakeNames((_name, time) => time % 2 === 0 ? ['127.0.0.1'] : ['127.0.0.2'])
  const gateway = await startGateway(t, { upstreamUrl: `http://rebinding.example:${port}`, routes: [{ path: '/*' }], project, lookup, root: { egress: { allow: ['127.0.0.1'] } } })
  const { responses: [first] } = await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(first?.status, 200)
  t.equal(lookup.asked, 1, 'one connection, one look-up')
  const { responses: [second] } = await sendRaw(gateway.port, `GET / HTTP/1.1\r\nHost: a\r\n${UPGRADE}\r\n`)
  t.equal(second?.status, 502, 'the next connection is refused')
  t.equal(trap.visits(), 0)
})

test('ssrf: the operator\'s networks are open to tenants, and files may name any', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const served = ['200 ok', '200 ok', '200 ok']
  const open = { egress: { allow: ['127.0.0.0/8'] } }
  t.same(await tryAll(await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], project, root: open })), served, 'allowed')
  const named = upstream.url.replace('127.0.0.1', 'inner.example')
  t.same(await tryAll(await startGateway(t, { upstreamUrl: named, routes: [{ path: '/*' }], project, root: open, lookup: fakeNames(() => ['127.0.0.1']) })), served, 'by name')
  t.same(await tryAll(await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], project: { origin: 'operator-file' } })), served, 'a file')
  t.same(await tryAll(await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], project: { origin: 'operator-api' } })), served, 'an operator')
})

test('ssrf: neither a target that a step names nor a redirect leads inside', async (t) => {
  const trap = await createTrap(t)
  const upstream = await createUpstream((_req, res) => { res.writeHead(302, { location: `http://127.0.0.1:${trap.port}/` }).end() })
  t.teardown(() => upstream.close())
  const { hostname, port } = new URL(upstream.url)
  const chooses = definePlugin({ name: 'chooses', stage: 'upstream', config: Type.Object({}), create: () => ({ request (ctx) { ctx.forward.target = `http://127.0.0.2:${trap.port}` } }) })
  const chosen = await startGateway(t, { upstreamUrl: 'http://8.8.8.8', routes: [{ path: '/*', plugins: ['chooses'] }], authored: [chooses], project, root: { egress: { allow: [hostname] } } })
  t.same(await tryAll(chosen), REFUSED)
  const redirected = await startGateway(t, { upstreamUrl: `http://${hostname}:${port}`, routes: [{ path: '/*' }], project, root: { egress: { allow: [hostname] } } })
  const { responses: [answer] } = await sendRaw(redirected.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
  t.equal(answer?.status, 302, 'a redirect is the client\'s to follow')
  t.equal(trap.visits(), 0)
})

test('ssrf: connections of tenants and of operators are never shared', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const gateway = await startGateway(t, { upstreamUrl: upstream.url, routes: [{ path: '/*' }], project: { origin: 'operator-file' } })
  const ask = async (): Promise<number | undefined> => (await sendRaw(gateway.port, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n')).responses[0]?.status
  t.equal(await ask(), 200)
  await gateway.reload({ upstreamUrl: upstream.url, routes: [{ path: '/*' }], project })
  t.equal(await ask(), 502, 'the warm connection of the file\'s project is not the tenant\'s')
})

test('ssrf: where one of a tenant\'s targets is refused the next one serves, upgrades too', async (t) => {
  const upstream = await createUpstream()
  t.teardown(() => upstream.close())
  const targets = ['http://10.1.2.3:80', upstream.url].map((url) => ({ url, weight: 1 }))
  const gateway = await startGateway(t, { upstreamUrl: '', upstream: { targets }, routes: [{ path: '/*' }], project, root: { egress: { allow: ['127.0.0.0/8'] } } })
  for (let turn = 0; turn < 2; turn++) {
    for (const upgrade of ['', UPGRADE]) {
      const { responses } = await sendRaw(gateway.port, `GET / HTTP/1.1\r\nHost: a\r\n${upgrade}\r\n`, { settleMs: 0 })
      t.same(responses.map(({ status }) => status), [200], upgrade === '' ? 'a plain request' : 'an upgrade that is not granted')
    }
  }
})
