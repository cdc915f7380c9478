import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { CommanderError } from 'commander'
import { test } from 'tap'
import { createProgram } from '../../bin/program.js'
import { createTerminal, visible, withColors, type ColorFlags } from '../../bin/terminal.js'
import { keepTerminal, runCli, startCli } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

const COMMANDS = [['check'], ['echo'], ['explain'], ['init'], ['plugin', 'new'], ['schema'], ['start']]

test('command line: every command has --json and a help with examples and exit codes', async (t) => {
  for (const command of COMMANDS) {
    const terminal = keepTerminal()
    await t.rejects(createProgram(terminal).parseAsync(['node', 'sluice', ...command, '--help']), { code: 'commander.helpDisplayed', exitCode: 0 })
    const help = terminal.out.join('\n')
    const name = command.join(' ')
    t.match(help, `Usage: sluice ${name}`, name)
    t.match(help, /--json/, `${name}: --json`)
    t.match(help, new RegExp(`Examples:\n  sluice ${name}`), `${name}: examples`)
    t.match(help, /Exit codes: 0 [^\n]*1 /, `${name}: exit codes`)
    t.strictSame(terminal.errors, [])
  }
})

test('command line: the help of all names every command, and --version the version', async (t) => {
  const help = await runCli(t, ['--help'])
  t.equal(help.code, 0)
  for (const [command] of COMMANDS) t.match(help.stdout, new RegExp(`^  ${command} `, 'm'))
  const version = await runCli(t, ['--version'])
  t.match(version, { code: 0, stdout: /^\d+\.\d+\.\d+\n$/, stderr: '' })
})

test('command line: called wrongly it says what there is, on standard error, and ends with 2', async (t) => {
  const cases: [string[], RegExp][] = [
    [['chek'], /^error: unknown command 'chek' \(did you mean "check"\?\)\nCommands of sluice: (?:[a-z]+, )*init, (?:[a-z]+, )*start\n/],
    [['frobnicate'], /^error: unknown command 'frobnicate'\nCommands of sluice: /],
    [['plugin', 'nwe'], /^error: unknown command 'nwe' \(did you mean "new"\?\)\nCommands of sluice plugin: new\n/],
    [['check', '--jsno'], /^error: unknown option '--jsno'\n\(Did you mean --json\?\)/],
    [['check', 'a.yaml', 'b.yaml'], /too many arguments/],
    [['explain', 'GET'], /missing required argument 'url'/],
    [['explain', 'GET', '/', '--from', 'me'], /write an IP address/],
    [['explain', 'GET', '/', '--run', '--timeout', 'soon'], /"soon" is not a duration \(write it like 500ms/],
    [['echo', '--port', '65536'], /a port is a number from 0 to 65535/],
    [['plugin', 'new'], /missing required argument 'name'/],
    [[], /^Usage: sluice/]
  ]
  for (const [args, expected] of cases) {
    const terminal = keepTerminal()
    const error = await createProgram(terminal).parseAsync(['node', 'sluice', ...args]).then(() => null, (thrown: unknown) => thrown)
    t.ok(error instanceof CommanderError && error.exitCode !== 0, args.join(' '))
    t.strictSame(terminal.out, [])
    t.match(terminal.errors.join('\n'), expected)
  }
  const { code, stdout, stderr } = await runCli(t, ['chek'])
  t.strictSame([code, stdout], [2, ''])
  t.match(stderr, /^error: unknown command 'chek'/)
  t.notMatch(stderr, /\n {4}at /, 'no stack')
  t.equal((await runCli(t, ['explain', 'G T', '/'])).code, 2)
})

test('command line: a reader that goes away is no crash', async (t) => {
  const child = startCli(t, ['schema'])
  child.stdout.once('data', () => { child.stdout.destroy() })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => { stderr += text })
  t.strictSame(await once(child, 'exit'), [0, null])
  t.equal(stderr, '')
  const kept: NodeJS.ErrnoException[] = []
  const stream = (): Writable => new Writable({ write (_chunk, _encoding, done) { done(Object.assign(new Error('write EPIPE'), { code: 'EPIPE' })) } }).on('error', (error) => { kept.push(error) })
  const terminal = createTerminal({ stdout: stream(), stderr: stream(), env: {} })
  terminal.print('one')
  terminal.print('two')
  await new Promise((resolve) => { setImmediate(resolve) })
  t.equal(kept[0]?.code, 'EPIPE', 'and other streams were told the same')
})

test('command line: colours are for people: on a terminal, and not with NO_COLOR or TERM=dumb', (t) => {
  const paints = (env: Record<string, string>, isTTY: boolean): [boolean, boolean] => {
    const { colors, errorColors } = keepTerminal(env, isTTY)
    return [colors.bold('x') !== 'x', errorColors.bold('x') !== 'x']
  }
  t.strictSame(paints({}, true), [true, true])
  t.strictSame(paints({ NO_COLOR: '' }, true), [true, true], 'an empty one is none (no-color.org)')
  t.strictSame(paints({ NO_COLOR: '1' }, true), [false, false])
  t.strictSame(paints({ TERM: 'dumb' }, true), [false, false])
  t.strictSame(paints({ FORCE_COLOR: '1' }, false), [false, false])
  t.end()
})

test('command line: --color and --no-color decide where somebody gives them', (t) => {
  for (const isTTY of [true, false]) {
    const paints = (flags: ColorFlags): boolean => withColors(keepTerminal({}, isTTY), flags).colors.bold('x') !== 'x'
    t.strictSame([paints({}), paints({ color: true }), paints({ color: false })], [isTTY, true, false])
  }
  t.end()
})

test('command line: what comes from elsewhere can not move the cursor', async (t) => {
  t.equal(visible('a\x1b[2Jb\r\n\tc\x9b\x7f é'), 'a\\x1b[2Jb\\x0d\\n\\tc\\x9b\\x7f é')
  const folder = tempDir(t)
  writeFileSync(join(folder, 'gateway.config.yaml'), 'listen: { "po\\x1b[31mrt": 1 }\nprojects: {}\n')
  const { stdout, code } = await runCli(t, ['check'], { cwd: folder })
  t.equal(code, 1)
  t.match(stdout, /1:11 /)
  t.notMatch(stdout, '\x1b')
})

test('command line: Ctrl-C ends a command that waits', async (t) => {
  const silent = createServer(() => undefined).listen(0, '127.0.0.1')
  await once(silent, 'listening')
  t.teardown(() => { silent.close(); silent.closeAllConnections() })
  const folder = tempDir(t)
  const { port } = silent.address() as AddressInfo
  writeFileSync(join(folder, 'gateway.config.yaml'), `projects: { demo: { upstreams: { up: { targets: [ "http://127.0.0.1:${port}" ] } }, routes: [ { match: { path: "/*" }, upstream: up } ] } }\n`)
  const child = startCli(t, ['explain', 'GET', '/', '--run', '--timeout', '10m'], { cwd: folder })
  await once(silent, 'request')
  child.kill('SIGINT')
  t.strictSame(await once(child, 'exit'), [null, 'SIGINT'])
})
