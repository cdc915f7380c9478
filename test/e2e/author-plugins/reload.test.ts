import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { ask } from '../../fixtures/ask.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const RELOADED = 'the configuration was reloaded'
const REFUSED = 'the configuration was refused; the one before goes on serving'

/** An author's plugin whose answer says `text` and what its helper says; line 12 throws for `?throw`. */
const plugin = (text: string): string => `import { Type, definePlugin } from 'sluice'
import { helper } from './helper.js'

export default definePlugin({
  name: 'mine',
  stage: 'transform',
  config: Type.Object({ loud: Type.Boolean({ default: false }) }, { additionalProperties: false }),
  create ({ loud }) {
    const text: string = '${text}'
    return {
      request (ctx) {
        if (ctx.request.query === 'throw') throw new Error('thrown by the author')
      },
      response (ctx) {
        ctx.response.headers.set('x-mine', \`\${loud ? text.toUpperCase() : text} \${helper}\`)
      }
    }
  }
})
`
const helper = (text: string): string => `export const helper: string = '${text}'\n`

const CONFIG = `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
accessLog: false
projects:
  using:
    basePath: /using
    upstreams: { echo: { builtin: echo } }
    routes:
      - { match: { path: /a }, upstream: echo, plugins: [ { use: ./plugins/mine.ts } ] }
      - { match: { path: /b }, upstream: echo, plugins: [ { use: ./plugins/mine.ts, config: { loud: true } } ] }
  other:
    basePath: /other
    upstreams: { echo: { builtin: echo } }
    routes: [ { match: { path: /a }, upstream: echo } ]
`

async function start (t: Test, source = plugin('one')) {
  const cwd = tempDir(t)
  mkdirSync(join(cwd, 'plugins'))
  const write = (name: string, text: string): void => { writeFileSync(join(cwd, name), text) }
  write('plugins/mine.ts', source)
  write('plugins/helper.ts', helper('helped'))
  write('gateway.yaml', CONFIG)
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml', '--json'], { cwd, env: { SLUICE_ADMIN_TOKEN: 'token-of-the-test' } })
  const [port, admin] = await Promise.all([sluice.port('data'), sluice.port('admin')])
  /** Writes a file and waits for what the gateway says of it. */
  const change = async (name: string, text: string, message: string): Promise<Record<string, unknown>> => {
    const before = sluice.logs().length
    write(name, text)
    return await sluice.logged(message, before)
  }
  const says = async (route: string): Promise<string | undefined> => (await ask(port, route)).headers['x-mine'] as string | undefined
  const status = async (): Promise<string> => await (await fetch(`http://127.0.0.1:${admin}/status`, { headers: { authorization: 'Bearer token-of-the-test' } })).text()
  return { sluice, port, change, says, status }
}

test('author plugin: an edit of it, or of what it imports, reloads the projects that use it', { timeout: 90_000 }, async (t) => {
  const { change, says } = await start(t)
  t.same([await says('/using/a'), await says('/using/b'), await says('/other/a')], ['one helped', 'ONE helped', undefined])
  const reloaded = await change('plugins/mine.ts', plugin('two'), RELOADED)
  t.equal(reloaded['changed'], 1, 'the other project is as it was')
  t.same([await says('/using/a'), await says('/using/b'), await says('/other/a')], ['two helped', 'TWO helped', undefined])
  t.equal((await change('plugins/helper.ts', helper('mended'), RELOADED))['changed'], 1)
  t.equal(await says('/using/a'), 'two mended')
  await change('plugins/mine.ts', plugin('one'), RELOADED)
  t.equal(await says('/using/a'), 'one mended', 'back to what it was')
})

test('author plugin: what can not be loaded keeps the old one serving, and is told with its place', { timeout: 90_000 }, async (t) => {
  const { change, says, status } = await start(t)
  for (const [why, name, text, finding] of [
    ['a syntax error', 'plugins/mine.ts', plugin('two').replace('name: \'mine\',', 'name: \'mine\' stage'), /plugins\/mine\.ts:5:\d+: Expected/],
    ['an import that is not there', 'plugins/mine.ts', plugin('two').replace('./helper.js', './missing.js'), /plugins\/mine\.ts:2:\d+: Could not resolve "\.\/missing\.js"/],
    ['a module that throws', 'plugins/mine.ts', `${plugin('two')}throw new Error('no luck')\n`, /it threw while it was loaded: no luck, at .*plugins\/mine\.ts:20/],
    ['no plugin', 'plugins/mine.ts', 'export const x = 1\n', /it has no default export/],
    ['a wrong definition', 'plugins/mine.ts', plugin('two').replace('\'mine\'', '\'My Plugin\''), /"My Plugin" is not kebab-case/],
    ['a config that its new schema refuses', 'plugins/mine.ts', plugin('two').replace('loud: Type.Boolean', 'noisy: Type.Boolean'), /gateway\.yaml:10:\d+ projects\.using\.routes\[1\].*unknown key "loud" \(did you mean|gateway\.yaml:10:\d+ .*unknown key "loud"/],
    ['a create that throws', 'plugins/mine.ts', plugin('two').replace('const text: string', 'throw new Error(\'no database\')\n    const text: string'), /gateway\.yaml:9:\d+ .*plugin "mine" could not be created: no database/],
    ['a create that returns nothing', 'plugins/mine.ts', plugin('two').replace('return {', 'const unused = {'), /gateway\.yaml:9:\d+ .*returned no instance/],
    ['a syntax error in its helper', 'plugins/helper.ts', 'export const helper = \n', /plugins\/helper\.ts:\d+:\d+: Unexpected/]
  ] as const) {
    const refused = await change(name, text, REFUSED)
    t.match(refused['finding'], finding, why)
    t.equal(await says('/using/a'), 'one helped', `${why}: the old one serves`)
    t.equal(await says('/using/b'), 'ONE helped')
    t.match(JSON.parse(await status()), { lastReload: { ok: false, findings: [{}] } }, 'the admin port shows it')
    if (name === 'plugins/helper.ts') await change('plugins/helper.ts', helper('mended'), RELOADED)
    else await change('plugins/mine.ts', plugin('one'), RELOADED)
    t.match(JSON.parse(await status()), { lastReload: { ok: true, findings: [] } }, 'mended')
  }
  t.equal(await says('/using/a'), 'one mended')
})

test('author plugin: what it throws is a 500, and the log names the line of its source', { timeout: 60_000 }, async (t) => {
  const { sluice, port, change, says } = await start(t)
  for (const [before, line] of [['', 12], ['// one line more\n', 13]] as const) {
    if (before !== '') await change('plugins/mine.ts', before + plugin('one'), RELOADED)
    const seen = sluice.logs().length
    const answer = await ask(port, '/using/a?throw')
    t.equal(answer.status, 500)
    t.notMatch(answer.text, /thrown by the author|mine\.ts/)
    const logged = await sluice.logged('a bug ended a request', seen)
    t.equal(logged['where'], 'mine')
    t.match(logged['error'], new RegExp(`Error: thrown by the author\\n\\s+at .*plugins/mine\\.ts:${line}:\\d+`))
    t.equal(await says('/using/a'), 'one helped')
  }
})

test('author plugin: one that can not be loaded at boot ends the start with its place', { timeout: 60_000 }, async (t) => {
  const cwd = tempDir(t)
  mkdirSync(join(cwd, 'plugins'))
  writeFileSync(join(cwd, 'plugins/mine.ts'), plugin('one').replace('create (', 'create ('.repeat(2)))
  writeFileSync(join(cwd, 'plugins/helper.ts'), helper('x'))
  writeFileSync(join(cwd, 'gateway.yaml'), CONFIG)
  const sluice = startSluice(t, ['start', '-c', 'gateway.yaml'], { cwd })
  t.same(await sluice.exited, { code: 1, signal: null })
  t.match(sluice.stderr(), /gateway\.yaml:9:\d+ projects\.using\.routes\[0\]\.plugins\[0\]\.use: .*plugins\/mine\.ts:8:\d+: /)
})
