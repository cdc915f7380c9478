import { chmodSync, existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { EXIT } from '../../bin/exit-codes.js'
import { listKeyRing } from '../../bin/keyring/list.js'
import { makeKeyRing, type NewFlags } from '../../bin/keyring/make.js'
import { parseKeyRing } from '../../core/state/key-ring-text.js'
import type { RingContent } from '../../core/state/key-ring.js'
import { keepTerminal, runCli, type KeptTerminal } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

interface Place { readonly folder: string, readonly config: string, readonly file: string }

function place (t: Test, state = 'embedded: { path: data }'): Place {
  const folder = tempDir(t)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, `state: { ${state} }\n`)
  return { folder, config, file: join(folder, 'data', 'keys.json') }
}

/** Nothing that a command says shows a key of these rings. */
function showsNoKey (t: Test, terminal: KeptTerminal, ...rings: readonly RingContent[]): void {
  const said = [...terminal.out, ...terminal.errors].join('\n')
  for (const { encryption, peppers } of rings) {
    for (const { key } of [...encryption.keys, ...peppers.keys]) t.notOk(said.includes(key.export().toString('base64url')), 'shows no key')
  }
}

async function make (flags: NewFlags, env: Record<string, string> = {}): Promise<{ code: number, terminal: KeptTerminal }> {
  const terminal = keepTerminal(env)
  return { code: await makeKeyRing(flags, terminal), terminal }
}

test('keyring new: makes the file that the configuration names, once', async (t) => {
  const { config, file } = place(t)
  const first = await make({ config })
  t.equal(first.code, EXIT.ok)
  t.match(first.terminal.out, [/^made .*data\/keys\.json: keep a copy of it apart from the backups/])
  t.equal(statSync(file).mode & 0o777, 0o600)
  const text = readFileSync(file, 'utf8')
  showsNoKey(t, first.terminal, parseKeyRing(text, file))
  const second = await make({ config, json: true })
  t.equal(second.code, EXIT.refused)
  t.match(JSON.parse(second.terminal.out[0]!), { ok: false, findings: [{ message: /is there already/, remedy: /sluice keyring rotate/ }] })
  t.equal(readFileSync(file, 'utf8'), text)
})

test('keyring new: makes a file that is named, needs a name with MongoDB, and prints only when asked', async (t) => {
  const { config, folder } = place(t, 'mongodb: { url: "mongodb://127.0.0.1/x" }')
  t.match((await make({ config })).terminal.errors, [/names no file for the key ring \(name one in state\.keyRing or with --file\)/])
  const named = await make({ config, file: join(folder, 'ring.json'), json: true })
  const ring = parseKeyRing(readFileSync(join(folder, 'ring.json'), 'utf8'), 'ring')
  t.strictSame(JSON.parse(named.terminal.out[0]!), { ok: true, file: join(folder, 'ring.json'), encryption: ring.encryption.active, pepper: ring.peppers.active })
  showsNoKey(t, named.terminal, ring)
  const printed = await make({ config: 'none', print: true })
  t.equal(printed.code, EXIT.ok)
  t.equal(printed.terminal.out.length, 1, 'on one line')
  t.equal(parseKeyRing(printed.terminal.out[0]!, 'x').encryption.keys.length, 1)
  const json = await make({ config: 'none', print: true, json: true })
  t.equal(parseKeyRing((JSON.parse(json.terminal.out[0]!) as { keys: string }).keys, 'x').peppers.keys.length, 1)
  t.strictSame(readdirSync(folder).sort(), ['gateway.yaml', 'ring.json'])
})

test('keyring new --print --next: takes the ring of SLUICE_KEYS a step on: a key that is prepared, then in use', async (t) => {
  const first = (await make({ config: '', print: true })).terminal.out[0]!
  const next = async (text: string, peppers = false): Promise<string> => (await make({ config: '', print: true, next: true, peppers }, { SLUICE_KEYS: text })).terminal.out[0]!
  const start = parseKeyRing(first, 'x')
  const prepared = parseKeyRing(await next(first), 'x')
  t.strictSame([prepared.encryption.keys.length, prepared.encryption.active], [2, start.encryption.active])
  const used = parseKeyRing(await next(await next(first)), 'x')
  t.strictSame([used.encryption.keys.length, used.encryption.active], [2, used.encryption.keys[1]!.id])
  t.strictSame([used.peppers.keys.length, parseKeyRing(await next(first, true), 'x').peppers.keys.length], [1, 2])
  const without = await make({ config: '', print: true, next: true })
  t.match(without.terminal.errors, [/SLUICE_KEYS is empty/])
  const wrong = await make({ config: '', next: true })
  t.equal(wrong.code, EXIT.usage)
  t.match(wrong.terminal.errors, [/can only be printed \(add --print/])
  t.equal((await make({ config: '', print: true, peppers: true })).code, EXIT.usage)
})

test('keyring list: tells ids, kinds, use and age of keys, never the keys', async (t) => {
  const { config, file } = place(t)
  const list = async (json: boolean, env: Record<string, string> = {}): Promise<KeptTerminal> => {
    const terminal = keepTerminal(env)
    t.equal(await listKeyRing({ config, json }, terminal), EXIT.ok)
    return terminal
  }
  const early = keepTerminal()
  t.equal(await listKeyRing({ config }, early), EXIT.refused)
  t.match(early.errors, [/there is no key ring in .*keys\.json yet \(the gateway makes it/])
  t.notOk(existsSync(file))
  await make({ config })
  const ring = parseKeyRing(readFileSync(file, 'utf8'), file)
  const json = await list(true)
  t.strictSame(JSON.parse(json.out[0]!), {
    ok: true,
    source: file,
    keys: [
      { id: ring.encryption.active, kind: 'encryption', use: 'active', created_at: ring.encryption.keys[0]!.createdAt },
      { id: ring.peppers.active, kind: 'pepper', use: 'active', created_at: ring.peppers.keys[0]!.createdAt }
    ]
  })
  const table = await list(false)
  t.match(table.out, [/^in .*keys\.json$/, /^id +kind +use +created_at$/, new RegExp(`^${ring.encryption.active} +encryption +active +20`), new RegExp(`^${ring.peppers.active} +pepper +active`)])
  showsNoKey(t, json, ring)
  showsNoKey(t, table, ring)
  const text = (await make({ config, print: true, next: true }, { SLUICE_KEYS: readFileSync(file, 'utf8') })).terminal.out[0]!
  t.match(JSON.parse((await list(true, { SLUICE_KEYS: text })).out[0]!), { source: 'environment', keys: [{ use: 'active' }, { use: 'prepared' }, { use: 'active' }] })
})

test('keyring: a ring that can not be used is told with what to do, and shows nothing', async (t) => {
  const { config, file } = place(t)
  await make({ config })
  const text = readFileSync(file, 'utf8')
  chmodSync(file, 0o644)
  const open = keepTerminal()
  t.equal(await listKeyRing({ config }, open), EXIT.refused)
  t.match(open.errors, [/^sluice: .*keys\.json is open to others, mode 0644 \(chmod 600 it/])
  const broken = keepTerminal({ SLUICE_KEYS: text.slice(0, -5) })
  t.equal(await listKeyRing({ config, json: true }, broken), EXIT.refused)
  t.match(JSON.parse(broken.out[0]!), { ok: false, findings: [{ message: /^SLUICE_KEYS(:\d+:\d+)? is not JSON$/ }] })
  showsNoKey(t, broken, parseKeyRing(text, 'x'))
})

test('keyring: the command line knows it', async (t) => {
  const { folder, config } = place(t)
  t.match(await runCli(t, ['keyring', 'new', '-c', config], { cwd: folder }), { code: 0, stdout: /^made / })
  t.match(await runCli(t, ['keyring', 'list', '-c', config], { cwd: folder }), { code: 0, stdout: /enc_\w{8} +encryption +active/ })
  t.match(await runCli(t, ['keyring', 'old'], { cwd: folder }), { code: 2, stderr: /unknown command 'old'/ })
})
