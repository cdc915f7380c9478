import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'tap'
import { service, type ServiceName } from './fixtures/services.js'

const redis = service('redis')
const mongodb = service('mongodb')

test('services: Redis answers PING, and keeps a value', { skip: redis.skip }, async (t) => {
  const commands = [['PING'], ['SET', 'sluice:test:service', '1', 'PX', '5000'], ['GET', 'sluice:test:service']].map(resp)
  const answers = await exchange(redis.url ?? '', Buffer.from(commands.join('')), (received) => received.toString().endsWith('$1\r\n1\r\n'))
  t.equal(answers.toString(), '+PONG\r\n+OK\r\n$1\r\n1\r\n')
})

test('services: MongoDB answers isMaster with a wire version that its driver takes', { skip: mongodb.skip }, async (t) => {
  const command = document([int32('isMaster', 1), text('$db', 'admin')])
  const body = Buffer.concat([Buffer.alloc(4), Buffer.from([0]), command])
  const header = Buffer.alloc(16)
  header.writeInt32LE(16 + body.length, 0)
  header.writeInt32LE(7, 4)
  header.writeInt32LE(OP_MSG, 12)
  const answer = await exchange(mongodb.url ?? '', Buffer.concat([header, body]), (received) => received.length >= 4 && received.length >= received.readInt32LE(0))
  t.equal(answer.readInt32LE(8), 7, 'it answers this request')
  t.equal(answer.readInt32LE(12), OP_MSG)
  t.ok(field(answer, 'maxWireVersion') >= 9, 'version 7 of the driver wants 9 or more')
  t.ok(field(answer, 'maxBsonObjectSize') > 0)
})

test('services: one that is required and not there is an error, one that is not required a skip with its reason', (t) => {
  const before = { ...process.env }
  t.teardown(() => { process.env = before })
  for (const name of ['redis', 'mongodb'] as ServiceName[]) {
    const variable = `SLUICE_TEST_${name.toUpperCase()}_URL`
    process.env['SLUICE_TEST_REQUIRE'] = ''
    process.env[variable] = ''
    t.same(service(name), { url: null, skip: `${name}: ${variable} is not set` })
    process.env['SLUICE_TEST_REQUIRE'] = ` other, ${name}`
    t.throws(() => service(name), { message: `SLUICE_TEST_REQUIRE lists ${name}: ${variable} is not set` })
    process.env[variable] = 'x://127.0.0.1:1'
    t.same(service(name), { url: 'x://127.0.0.1:1', skip: false })
  }
  t.end()
})

const OP_MSG = 2013

/** Sends bytes to the host and port of a URL and reads until the answer is whole. */
async function exchange (url: string, bytes: Buffer, whole: (received: Buffer) => boolean): Promise<Buffer> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  socket.write(bytes)
  let received = Buffer.alloc(0)
  for await (const chunk of socket as AsyncIterable<Buffer>) {
    received = Buffer.concat([received, chunk])
    if (whole(received)) break
  }
  return received
}

/** A Redis command as it goes over the wire. */
function resp (words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

/** A BSON document (bsonspec.org, version 1.1) of those elements. */
function document (elements: Buffer[]): Buffer {
  const body = Buffer.concat([...elements, Buffer.from([0])])
  const length = Buffer.alloc(4)
  length.writeInt32LE(body.length + 4)
  return Buffer.concat([length, body])
}

function int32 (name: string, value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeInt32LE(value)
  return Buffer.concat([Buffer.from(`\x10${name}\0`), bytes])
}

function text (name: string, value: string): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32LE(Buffer.byteLength(value) + 1)
  return Buffer.concat([Buffer.from(`\x02${name}\0`), length, Buffer.from(`${value}\0`)])
}

/** The value of a 32-bit integer element, wherever in the message it is. */
function field (message: Buffer, name: string): number {
  const at = message.indexOf(`\x10${name}\0`)
  return at === -1 ? NaN : message.readInt32LE(at + name.length + 2)
}
