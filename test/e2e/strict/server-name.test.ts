import { test } from 'tap'
import { connect } from 'node:tls'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict } from '../../fixtures/refusals.js'
import { parseResponses, type RawResponse } from '../../fixtures/raw-response.js'
import { service } from '../../fixtures/services.js'
import { tempDir } from '../../fixtures/temp-dir.js'
import { createAuthority } from '../../fixtures/tls.js'

const { skip } = service('openssl')

/** Sends one request over TLS that names `servername` (none for `''`), and gives the answer. */
async function askOver (port: number, ca: string, servername: string, host: string): Promise<RawResponse | undefined> {
  const socket = connect({ port, host: '127.0.0.1', ca, ...(servername === '' ? {} : { servername }), checkServerIdentity: () => undefined })
  socket.write(`GET /a HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`)
  const chunks: Buffer[] = []
  for await (const chunk of socket as AsyncIterable<Buffer>) chunks.push(chunk)
  return parseResponses(Buffer.concat(chunks), ['GET'], true)[0]
}

test('strict: the Host field has to be what the client named in TLS', { skip }, async (t) => {
  const authority = createAuthority(tempDir(t))
  const { certFile, keyFile } = authority.issue('both', ['a.example', 'b.example'])
  const tls = { certificates: [{ hosts: [], certFile, keyFile }], minVersion: 'TLSv1.2' as const }
  const gateway = await startStrict(t, { listen: { tls } })
  const cases: readonly (readonly [serverName: string, host: string, status: number])[] = [
    ['a.example', 'a.example', 200], ['a.example', 'A.Example:8443', 200], ['a.example', 'a.example.', 200], ['A.EXAMPLE', 'a.example', 200], ['', 'a.example', 200], ['', '127.0.0.1', 200],
    ['a.example', 'b.example', 421], ['b.example', 'a.example', 421], ['a.example', 'x.a.example', 421], ['a.example', '127.0.0.1', 421]
  ]
  for (const [serverName, host, status] of cases) {
    const answer = await askOver(gateway.port, authority.ca, serverName, host)
    t.equal(answer?.status, status, `${serverName} and Host: ${host}`)
    if (status === 421) t.match(JSON.parse(answer?.body.toString() ?? ''), { error: { code: 'MISDIRECTED_REQUEST', details: { reason: 'server_name' } } })
  }
  t.equal(gateway.handled.length, cases.filter(([,, status]) => status === 200).length, 'nothing of it reached the upstream')

  const behind = await startStrict(t, { listen: { tls, trustedProxies: ['127.0.0.1'] } })
  t.equal((await askOver(behind.port, authority.ca, 'gateway.internal', 'a.example'))?.status, 200, 'a trusted proxy names the gateway, and says whom it speaks for')
})

test('strict: a TLS handshake that does not come is not waited for', { skip }, async (t) => {
  const { certFile, keyFile } = createAuthority(tempDir(t)).issue('one', ['a.example'])
  const gateway = await startStrict(t, { listen: { tls: { certificates: [{ hosts: [], certFile, keyFile }], minVersion: 'TLSv1.2' }, limits: { headersMs: 300 } } })
  for (const [name, bytes] of [['nothing', ''], ['half a hello', '\x16\x03\x01\x02\x00\x01\x00'], ['plain HTTP', 'GET / HTTP/1.1\r\nHost: a.example\r\n\r\n']] as const) {
    const { closed, timedOut } = await sendRaw(gateway.port, Buffer.from(bytes, 'latin1'), { untilClose: true, timeoutMs: 3_000 })
    t.same([closed, timedOut], [true, false], name)
  }
  t.same(gateway.handled, [])
  t.same(gateway.bugs, [])
})
