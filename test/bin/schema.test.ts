import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import { test } from 'tap'
import { parse } from 'yaml'
import { schema } from '../../bin/commands/schema.js'
import { writePluginTemplate } from '../../bin/plugin-new.js'
import { keepTerminal, REPOSITORY, runCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

test('schema: prints what docs/gateway.schema.json holds, or writes it', async (t) => {
  const expected = readFileSync(join(REPOSITORY, 'docs', 'gateway.schema.json'), 'utf8')
  const printed = await runCli(t, ['schema'])
  t.match(printed, { code: 0, stderr: '' })
  t.ok(printed.stdout === expected, 'the same text')
  t.ok((await runCli(t, ['schema', '--json'])).stdout === expected, 'it is JSON anyway')
  const folder = tempDir(t)
  t.match(await runCli(t, ['schema', '--out', 'x.json'], { cwd: folder }), { code: 0, stdout: 'wrote x.json\n' })
  t.ok(readFileSync(join(folder, 'x.json'), 'utf8') === expected)
  t.match(await runCli(t, ['schema', '--out', 'gone/x.json'], { cwd: folder }), { code: 1, stdout: '', stderr: 'sluice: gone/x.json does not exist (make it, or name one that exists)\n' })
  const terminal = keepTerminal()
  t.equal(await schema({ out: folder, file: null, environment: null, json: true }, terminal), 1)
  t.match(JSON.parse(terminal.out[0] ?? ''), { ok: false, findings: [{ message: `${folder} is a folder` }] })
  t.equal(await schema({ out: join(folder, 'y.json'), file: null, environment: null, json: true }, terminal), 0)
  t.strictSame(JSON.parse(terminal.out[1] ?? ''), { ok: true, file: join(folder, 'y.json') })
})

test('schema: with a configuration it knows the keys of its own plugins, wherever they are used from', async (t) => {
  const folder = tempDir(t)
  await writePluginTemplate({ name: 'tea-time', directory: folder })
  // What else is wrong does not matter: the schema is what helps to mend it.
  const config = (use: string): string => `plugins: [ { use: ${use}/tea-time/index.ts, config: { header: x-tea } } ]\nlisten: { prt: 1 }\n`
  writeFileSync(join(folder, 'gateway.config.yaml'), config('./plugins'))
  const terminal = keepTerminal()
  t.equal(await schema({ out: null, file: join(folder, 'gateway.config.yaml'), environment: null, json: false }, terminal), 0, terminal.errors.join('\n'))
  const accepts = new Ajv({ strict: false }).compile(JSON.parse(terminal.out.join('\n')))
  for (const good of [
    'plugins: [ { use: ./plugins/tea-time/index.ts, config: { header: x-tea } } ]', 'plugins: [ { use: ../plugins/tea-time/index.ts, stage: authorize } ]', 'plugins: [ { use: ./other.ts, config: { any: 1 } } ]',
    'plugins: [ { use: plugins/tea-time/index.ts } ]'
  ]) t.ok(accepts(parse(good)), `${good} ${JSON.stringify(accepts.errors?.at(-1))}`)
  for (const bad of ['plugins: [ { use: ./plugins/tea-time/index.ts, config: { haeder: x } } ]', 'plugins: [ { use: ./plugins/tea-time/index.ts, config: { header: "A B" } } ]']) t.notOk(accepts(parse(bad)), bad)
  t.match(terminal.out.join('\n'), 'Header that a request has to carry')
})

test('schema: a configuration or plugin that can not be read is told', async (t) => {
  const folder = tempDir(t)
  t.match(await runCli(t, ['schema', '-f', 'missing.yaml'], { cwd: folder }), { code: 1, stdout: '', stderr: /^missing\.yaml:1:1 .*there is no such file/ })
  writeFileSync(join(folder, 'gateway.config.yaml'), 'plugins:\n  - use: ./mine.ts\n')
  writeFileSync(join(folder, 'mine.ts'), 'export default {')
  t.match(await runCli(t, ['schema', '-f', 'gateway.config.yaml', '--out', 'x.json'], { cwd: folder }), { code: 1, stderr: /^gateway\.config\.yaml:2:10 plugins\[0\]\.use: .*mine\.ts:1:17: / })
  t.throws(() => readFileSync(join(folder, 'x.json')), { code: 'ENOENT' }, 'nothing is written')
  const json = await runCli(t, ['schema', '-f', 'gateway.config.yaml', '--json'], { cwd: folder })
  t.match(JSON.parse(json.stdout), { ok: false, findings: [{ path: ['plugins', 0, 'use'], position: { line: 2 } }] })
})
