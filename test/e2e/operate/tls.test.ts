import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { test, type Test } from 'tap'
import { sendRaw } from '../../fixtures/raw-client.js'
import { service } from '../../fixtures/services.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createAuthority, type TestAuthority } from '../../fixtures/tls.js'

const { skip } = service('openssl')

const PROJECT = `projects: { a: { routes: [ { id: any, match: { path: "/*" }, plugins: [ respond: { status: 200, body: served } ] } ] } }
`

function listen (certificates: string, more = ''): string {
  return `listen:
  host: 127.0.0.1
  port: 0
  tls: { certificates: [ ${certificates} ]${more} }
  redirectHttp: 0
admin: false
accessLog: false
`
}

const TWO = '{ hosts: [ shop.example, "*.shop.example" ], cert: ./shop.crt, key: ./shop.key }, { cert: ./other.crt, key: ./other.key }'

interface Story { cwd: string, authority: TestAuthority, sluice: SluiceProcess, data: number, redirect: number }

async function story (t: Test, config: string, args: readonly string[] = []): Promise<Story> {
  const cwd = tempDir(t)
  const authority = createAuthority(cwd)
  authority.issue('shop', ['shop.example', '*.shop.example'])
  authority.issue('other', ['other.example', 'more.example'])
  writeFileSync(join(cwd, 'gateway.config.yaml'), config)
  const sluice = startSluice(t, ['start', '--json', ...args], { cwd, covered: args.length === 0 })
  return { cwd, authority, sluice, data: await sluice.port('data'), redirect: await sluice.port('redirect') }
}

/** Connects and gives the names of the certificate that came. */
async function certificateFor (t: Test, { data, authority }: Story, servername: string, options: ConnectionOptions = {}): Promise<{ socket: TLSSocket, names: string, serial: string }> {
  const socket = connect({ port: data, host: '127.0.0.1', servername, ca: authority.ca, checkServerIdentity: () => undefined, ...options })
  t.teardown(() => { socket.destroy() })
  await once(socket, 'secureConnect')
  const { subjectaltname = '', serialNumber } = socket.getPeerCertificate()
  return { socket, names: subjectaltname, serial: serialNumber }
}

async function ask (socket: TLSSocket, host: string): Promise<string> {
  socket.write(`GET /x HTTP/1.1\r\nHost: ${host}\r\n\r\n`)
  const [chunk] = await once(socket, 'data') as [Buffer]
  return chunk.toString()
}

test('tls: each host gets its certificate, and who names another gets the default one', { skip }, async (t) => {
  const scene = await story(t, listen(TWO) + PROJECT)
  for (const [name, wanted] of [['shop.example', 'shop.example'], ['SHOP.example', 'shop.example'], ['a.shop.example', 'shop.example'], ['a.b.shop.example', 'other.example'], ['other.example', 'other.example'], ['nobody.example', 'other.example']] as const) {
    t.match((await certificateFor(t, scene, name)).names, new RegExp(`^DNS:${wanted}`), name)
  }
  const nameless = await certificateFor(t, scene, '')
  t.match(nameless.names, /^DNS:other\.example/, 'a client that names no host')
  t.match(await ask(nameless.socket, 'other.example'), /^HTTP\/1\.1 200 /)
  const { socket } = await certificateFor(t, scene, 'shop.example')
  t.match(await ask(socket, 'shop.example'), /^HTTP\/1\.1 200 [^]*served$/)
  t.match(await ask(socket, 'other.example'), /^HTTP\/1\.1 421 [^]*MISDIRECTED_REQUEST/, 'another host than the one that TLS named')
})

test('tls: the plain port sends clients to the other one', { skip }, async (t) => {
  const { data, redirect } = await story(t, listen(TWO) + PROJECT)
  const { responses: [answer] } = await sendRaw(redirect, 'GET /a?b=c HTTP/1.1\r\nHost: shop.example:80\r\n\r\n')
  t.equal(answer?.status, 308)
  t.equal(answer?.header('location'), `https://shop.example:${data}/a?b=c`)
  const { responses: [nobody] } = await sendRaw(redirect, 'GET /a HTTP/1.1\r\nHost: a b\r\n\r\n')
  t.equal(nobody?.status, 400)
  t.match(JSON.parse(String(nobody?.body)), { error: { code: 'VALIDATION_ERROR', details: { reason: 'host' }, requestId: nobody?.header('x-request-id') } }, 'in the shape of every other error')
  t.match(answer?.header('x-request-id'), /^[0-9a-f-]{36}$/)
  for (const [name, bytes, status, reason] of [
    ['no request', 'nothing\r\n\r\n', 400, 'malformed_http'],
    ['no Host', 'GET /a HTTP/1.1\r\n\r\n', 400, 'host'],
    ['a target that is no path', 'GET //other.example HTTP/1.1\r\nHost: shop.example\r\n\r\n', 400, 'request_target'],
    ['a head of 20 KB', `GET /a HTTP/1.1\r\nHost: shop.example\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`, 431, 'fields_too_large']
  ] as const) {
    const { responses: [refused], closed } = await sendRaw(redirect, bytes)
    t.equal(refused?.status, status, name)
    t.match(JSON.parse(String(refused?.body)), { error: { details: { reason }, requestId: refused?.header('x-request-id') } }, name)
    t.ok(closed, name)
  }
})

test('tls: 1.2 and newer are spoken, or 1.3 alone', { skip }, async (t) => {
  const scene = await story(t, listen(TWO) + PROJECT)
  // Old versions are switched off in OpenSSL's own defaults too: without this, the client would refuse before the server could.
  const old: ConnectionOptions = { minVersion: 'TLSv1', ciphers: 'DEFAULT@SECLEVEL=0' }
  for (const name of ['shop.example', 'other.example']) {
    await t.rejects(certificateFor(t, scene, name, { ...old, maxVersion: 'TLSv1.1' }), `${name} by TLS 1.1`)
    t.equal((await certificateFor(t, scene, name, { maxVersion: 'TLSv1.2' })).socket.getProtocol(), 'TLSv1.2')
    t.equal((await certificateFor(t, scene, name)).socket.getProtocol(), 'TLSv1.3')
  }
  writeFileSync(join(scene.cwd, 'gateway.config.yaml'), listen(TWO, ', minVersion: "1.3"') + PROJECT)
  await scene.sluice.logged('the configuration was reloaded')
  for (const name of ['shop.example', 'other.example', '']) {
    await t.rejects(certificateFor(t, scene, name, { maxVersion: 'TLSv1.2' }), `${name} by TLS 1.2 after the change`)
    t.equal((await certificateFor(t, scene, name)).socket.getProtocol(), 'TLSv1.3')
  }
})

for (const [how, args] of [['one process', []], ['two workers', ['--workers', '2']]] as const) {
  test(`tls: new certificate files are used without a change of the configuration, and broken ones are not, ${how}`, { skip }, async (t) => {
    const scene = await story(t, listen(TWO) + PROJECT, args)
    // Connections go to the workers in turn.
    const wanted = args.length === 0 ? 1 : 2
    const renewed = async (): Promise<boolean> => {
      for (let turn = 0; turn < wanted; turn++) {
        if (!(await certificateFor(t, scene, 'shop.example')).names.includes('renewed.shop.example')) return false
        if (!(await certificateFor(t, scene, '')).names.includes('renewed.example')) return false
      }
      return true
    }
    const before = [await certificateFor(t, scene, 'shop.example'), await certificateFor(t, scene, 'other.example')]
    scene.authority.issue('shop', ['shop.example', 'renewed.shop.example'])
    scene.authority.issue('other', ['other.example', 'renewed.example'])
    const until = performance.now() + 15_000
    while (!await renewed() && performance.now() < until) await delay(50)
    t.ok(await renewed(), 'by name, and the default one')
    t.match(await ask((before[0] as { socket: TLSSocket }).socket, 'shop.example'), /^HTTP\/1\.1 200 /, 'a connection that stands goes on')

    const kept = await certificateFor(t, scene, 'shop.example')
    const at = scene.sluice.logs().length
    writeFileSync(join(scene.cwd, 'shop.key'), 'no key at all\n')
    const refused = await scene.sluice.logged('the configuration was refused; the one before goes on serving', at)
    t.match(refused['finding'], /gateway\.config\.yaml:\d+:\d+ listen\.tls\.certificates\[0\]\.key: /)
    for (let turn = 0; turn < wanted; turn++) t.equal((await certificateFor(t, scene, 'shop.example')).serial, kept.serial, 'the one before goes on')
  })
}

test('tls: a key that does not belong to its certificate, or is none, ends the start with exit code 1', { skip }, async (t) => {
  const cwd = tempDir(t)
  const authority = createAuthority(cwd)
  authority.issue('shop', ['shop.example'])
  authority.issue('other', ['other.example'])
  writeFileSync(join(cwd, 'none.key'), 'no key at all\n')
  for (const [key, message] of [['other.key', /certificates\[0\]\.key: .*not the one of its certificate/], ['none.key', /certificates\[0\]\.key: /], ['missing.key', /certificates\[0\]\.key: .*can not be read/]] as const) {
    writeFileSync(join(cwd, `${key}.yaml`), listen(`{ cert: ./shop.crt, key: ./${key} }`) + PROJECT)
    const sluice = startSluice(t, ['start', '-c', `${key}.yaml`], { cwd })
    t.strictSame(await sluice.exited, { code: 1, signal: null }, key)
    t.match(sluice.stderr(), message)
    t.notMatch(sluice.stderr(), 'PRIVATE KEY')
  }
})
