import { createSecretKey, randomBytes } from 'node:crypto'
import { chmodSync, mkdirSync, readdirSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { Worker } from 'node:worker_threads'
import { once } from 'node:events'
import fc from 'fast-check'
import { test, type Test } from 'tap'
import { replacePrivateFile } from '../../../core/lib/private-file.js'
import { loadKeyRing, makeKeyRingFile, readKeyRingFile } from '../../../core/state/key-ring-source.js'
import { formatKeyRing, KeyRingTextError, newRingContent, newRingKey, parseKeyRing } from '../../../core/state/key-ring-text.js'
import type { RingContent } from '../../../core/state/key-ring.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const PLACE = { collection: 'credentials', field: 'secret' }
const UNSET = { text: undefined, make: true }

interface RawKey { id: unknown, created_at: unknown, key: unknown, [more: string]: unknown }
interface RawRing { format: unknown, encryption: { active: unknown, keys: RawKey[] }, peppers: { active: unknown, keys: RawKey[] } }

/** The text of a ring, changed by `change`. */
function changed (change: (ring: RawRing) => unknown, content: RingContent = newRingContent()): string {
  const ring = JSON.parse(formatKeyRing(content)) as RawRing
  change(ring)
  return JSON.stringify(ring)
}

/** Why a text is refused; the message must show none of `secrets`. */
function refusalOf (t: Test, text: string, secrets: readonly string[] = []): KeyRingTextError {
  try {
    parseKeyRing(text, 'SLUICE_KEYS')
  } catch (error) {
    if (!(error instanceof KeyRingTextError)) throw error
    const shown = `${inspect(error, { depth: 9, showHidden: true })}${JSON.stringify(error)}`
    for (const secret of secrets) t.notOk(shown.includes(secret), `shows no ${secret}`)
    return error
  }
  throw new Error('it was not refused')
}

test('key-ring-source: makes a file that nobody else can read, with the folders above it, and reads it again', (t) => {
  const file = join(tempDir(t), 'new', 'data', 'keys.json')
  const { ring, source, created } = loadKeyRing({ ...UNSET, file })
  t.strictSame({ source, created }, { source: file, created: true })
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.strictSame(readdirSync(join(file, '..')), ['keys.json'], 'no draft is left')
  const sealed = ring.seal('acme', PLACE, 'text')
  const digest = ring.digest('key')
  const again = loadKeyRing({ ...UNSET, file })
  t.equal(again.created, false)
  t.equal(again.ring.open('acme', PLACE, sealed), 'text')
  t.equal(again.ring.verify('key', digest), true)
  const other = loadKeyRing({ ...UNSET, file: join(file, '..', 'other.json') })
  t.throws(() => other.ring.open('acme', PLACE, sealed), /has no key enc_/)
  t.end()
})

test('key-ring-source: SLUICE_KEYS comes first, and then no file is made or read', (t) => {
  const folder = tempDir(t)
  const file = join(folder, 'keys.json')
  const text = formatKeyRing(newRingContent())
  const { ring, source, created } = loadKeyRing({ text, file, make: true })
  t.strictSame({ source, created }, { source: 'environment', created: false })
  t.equal(loadKeyRing({ text: JSON.stringify(JSON.parse(text)), file: null, make: false }).ring.open('acme', PLACE, ring.seal('acme', PLACE, 'text')), 'text', 'on one line, too')
  t.strictSame(readdirSync(folder), [])
  t.equal(loadKeyRing({ text: '', file, make: true }).source, file, 'empty is not set')
  t.end()
})

test('key-ring-source: threads that start at once agree on one ring', async (t) => {
  const file = join(tempDir(t), 'keys.json')
  const source = new URL('../../../core/state/key-ring-source.js', import.meta.url).href
  const gate = new Int32Array(new SharedArrayBuffer(4))
  const code = `
    const { parentPort, workerData } = require('node:worker_threads')
    import(workerData.source).then(({ loadKeyRing }) => {
      parentPort.postMessage('ready')
      Atomics.wait(workerData.gate, 0, 0)
      const { ring, created } = loadKeyRing({ text: undefined, file: workerData.file, make: true })
      parentPort.postMessage({ created, ...ring.digest('key') })
    })`
  const workers = Array.from({ length: 6 }, () => new Worker(code, { eval: true, workerData: { source, gate, file } }))
  await Promise.all(workers.map((worker) => once(worker, 'message')))
  const answers = workers.map((worker) => once(worker, 'message'))
  Atomics.store(gate, 0, 1)
  Atomics.notify(gate, 0)
  const results = (await Promise.all(answers)).map(([result]) => result as { created: boolean, digest: string })
  t.equal(new Set(results.map(({ digest }) => digest)).size, 1)
  t.equal(results.filter(({ created }) => created).length, 1)
  t.strictSame(readdirSync(join(file, '..')), ['keys.json'])
})

test('key-ring-source: a shared store without a ring is refused, and the way to make one is told', (t) => {
  const file = join(tempDir(t), 'keys.json')
  t.throws(() => loadKeyRing({ text: undefined, file: null, make: false }), /^there is no key ring, .*make one with `sluice keyring new --file FILE`.*state\.keyRing.*SLUICE_KEYS/)
  t.throws(() => loadKeyRing({ text: undefined, file, make: false }), /there is no key ring in .*keys\.json.*`sluice keyring new`/)
  t.strictSame(readdirSync(join(file, '..')), [])
  t.end()
})

test('key-ring-source: refuses a file that others can read, or that can not be read or made', (t) => {
  const folder = tempDir(t)
  const file = join(folder, 'keys.json')
  t.equal(makeKeyRingFile(file, newRingContent()), true)
  t.equal(makeKeyRingFile(file, newRingContent()), false, 'one that is there stays')
  for (const mode of [0o640, 0o604, 0o644, 0o620, 0o602, 0o610]) {
    chmodSync(file, mode)
    t.throws(() => loadKeyRing({ ...UNSET, file }), /keys\.json is open to others, mode 06\d\d \(chmod 600 it; if somebody may have read it, .*rotate/)
  }
  chmodSync(file, 0o400)
  t.equal(loadKeyRing({ ...UNSET, file }).created, false)
  mkdirSync(join(folder, 'folder'), { mode: 0o700 })
  t.throws(() => loadKeyRing({ ...UNSET, file: join(folder, 'folder') }), /can not be read from .*EISDIR/)
  t.throws(() => loadKeyRing({ ...UNSET, file: join(file, 'below') }), /can not be kept in .*(?:ENOTDIR|EEXIST) \(let this user write there/)
  symlinkSync(join(folder, 'gone'), join(folder, 'link'))
  t.throws(() => loadKeyRing({ ...UNSET, file: join(folder, 'link') }), /can not be kept in .*EEXIST/)
  t.end()
})

test('key-ring-source: a ring follows its file while it is used, and keeps what it has when the file is spoilt or gone', (t) => {
  const file = join(tempDir(t), 'keys.json')
  const problems: string[] = []
  const { ring } = loadKeyRing({ ...UNSET, file, onProblem: ({ message }) => { problems.push(message) } })
  const first = readKeyRingFile(file).content
  const key = newRingKey('encryption')
  const next = { ...first, encryption: { active: key.id, keys: [...first.encryption.keys, key] } }
  const before = ring.seal('acme', PLACE, 'text')
  replacePrivateFile(file, formatKeyRing(next))
  t.equal(statSync(file).mode & 0o777, 0o600)
  t.match(ring.seal('acme', PLACE, 'text'), `sealed1.${key.id}.`)
  t.equal(ring.needsRotation(before), true)
  writeFileSync(file, '{')
  for (let i = 0; i < 3; i++) t.match(ring.seal('acme', PLACE, 'text'), `sealed1.${key.id}.`)
  rmSync(file)
  t.match(ring.seal('acme', PLACE, 'text'), `sealed1.${key.id}.`)
  t.equal(ring.open('acme', PLACE, before), 'text')
  t.match(problems, [/is not JSON/, /ENOENT \(bring the file back/])
  t.equal(problems.length, 2, 'each told once')
  t.end()
})

test('key-ring-source: what is malformed is refused with its place and what to do', (t) => {
  const good = newRingContent()
  const short = createSecretKey(randomBytes(16))
  const cases: [string, RegExp][] = [
    ['', /^SLUICE_KEYS is empty \(/],
    [' \n', /^SLUICE_KEYS is empty \(/],
    ['{\n  "format": 1,\n  nonsense', /^SLUICE_KEYS:3:3 is not JSON \(/],
    ['[]', /^SLUICE_KEYS is no map \(/],
    ['null', /^SLUICE_KEYS is no map \(/],
    [changed((ring) => { ring.format = 2 }), /^SLUICE_KEYS: format is not 1 \(.*start the version that wrote it/],
    [changed((ring) => { ring.encryption.keys = [] }), /^SLUICE_KEYS: encryption\.keys is no list with a key in it/],
    [changed((ring) => Reflect.deleteProperty(ring, 'peppers')), /^SLUICE_KEYS: peppers is no map/],
    [changed((ring) => { ring.encryption.keys[0]!['more'] = 1 }), /^SLUICE_KEYS: encryption\.keys\[0\] has a field that is not known \(the known ones are id, created_at, key\)/],
    [changed((ring) => { ring.peppers.active = 'other' }), /^SLUICE_KEYS: peppers\.active is not the id of a key in peppers\.keys/],
    [changed((ring) => { ring.peppers.keys.push(ring.peppers.keys[0]!) }), /^SLUICE_KEYS: peppers\.keys\[1\]\.id is that of a key before it/],
    [changed((ring) => { ring.peppers.keys[0]!.id = ring.peppers.active = ring.encryption.active }), /^SLUICE_KEYS: peppers\.keys\[0\]\.id is that of a key before it/],
    [changed((ring) => { ring.encryption.keys[0]!.id = 'a b' }), /^SLUICE_KEYS: encryption\.keys\[0\]\.id is no id/],
    [changed((ring) => { ring.encryption.keys[0]!.created_at = 'yesterday' }), /^SLUICE_KEYS: encryption\.keys\[0\]\.created_at is no time/],
    [changed((ring) => { ring.encryption.keys[0]!.key = 5 }), /^SLUICE_KEYS: encryption\.keys\[0\]\.key is not base64url/],
    [changed((ring) => { ring.encryption.keys[0]!.key = `${ring.encryption.keys[0]!.key as string}=` }), /^SLUICE_KEYS: encryption\.keys\[0\]\.key is not base64url/],
    [formatKeyRing({ ...good, peppers: { active: 'p', keys: [{ id: 'p', createdAt: '2026-11-26', key: short }] } }), /^SLUICE_KEYS: peppers\.keys\[0\]\.key has 16 bytes, not 32/]
  ]
  for (const [text, message] of cases) {
    const refusal = refusalOf(t, text)
    t.match(refusal.message, message)
    t.ok(refusal.message.endsWith(`(${refusal.remedy})`))
  }
  t.end()
})

test('key-ring-source: no key is shown in an error, whatever stands in the wrong place or is cut off', (t) => {
  const content = newRingContent()
  const text = formatKeyRing(content)
  const secrets = [...content.encryption.keys, ...content.peppers.keys].map(({ key }) => key.export().toString('base64url'))
  // Every cut of the text, and a character of it replaced: most are no JSON any more.
  for (let at = 1; at < text.length - 2; at++) refusalOf(t, text.slice(0, at), secrets.flatMap((secret) => [secret, secret.slice(0, 8), secret.slice(-8)]))
  fc.assert(fc.property(fc.nat(text.length - 1), fc.constantFrom('"', '}', ',', '\\', '\0', 'x'), (at, other) => {
    const spoilt = `${text.slice(0, at)}${other}${text.slice(at + 1)}`
    try {
      parseKeyRing(spoilt, 'SLUICE_KEYS')
    } catch (error) {
      return error instanceof KeyRingTextError && secrets.every((secret) => !inspect(error).includes(secret.slice(0, 8)) && !inspect(error).includes(secret.slice(-8)))
    }
    return true
  }), { numRuns: 500 })
  const secret = secrets[0]!
  for (const misplace of [
    (ring: RawRing) => { ring.encryption.keys[0]!.id = secret },
    (ring: RawRing) => { ring.encryption.keys[0]!.created_at = secret },
    (ring: RawRing) => { ring.encryption.active = secret },
    (ring: RawRing) => { ring.encryption.keys[0]![secret] = 1 },
    (ring: RawRing) => { (ring as unknown as Record<string, unknown>)[secret] = 1 },
    (ring: RawRing) => { ring.format = secret }
  ]) refusalOf(t, changed(misplace, content), [secret])
  refusalOf(t, secret, [secret])
  refusalOf(t, JSON.stringify(secret), [secret])
  t.end()
})

test('key-ring-source: a ring is read as it was written, whatever its keys', (t) => {
  const id = fc.stringMatching(/^[A-Za-z0-9_-]{1,32}$/)
  const key = fc.uint8Array({ minLength: 32, maxLength: 32 })
  fc.assert(fc.property(fc.uniqueArray(id, { minLength: 2, maxLength: 8 }), key, fc.nat(), (ids, bytes, seed) => {
    const keys = ids.map((one, index) => ({ id: one, createdAt: '2026-11-26T00:00:00.000Z', key: createSecretKey(bytes.map((byte) => byte ^ index)) }))
    const half = Math.ceil(keys.length / 2)
    const content = {
      encryption: { active: ids[seed % half]!, keys: keys.slice(0, half) },
      peppers: { active: ids[half]!, keys: keys.slice(half) }
    }
    const read = parseKeyRing(formatKeyRing(content), 'x')
    return formatKeyRing(read) === formatKeyRing(content) && read.encryption.keys.every(({ key: one }, index) => one.equals(keys[index]!.key))
  }))
  t.end()
})
