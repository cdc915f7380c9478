import { spawnSync } from 'node:child_process'
import { test } from 'tap'
import { completionScript } from '../../bin/commands/completion.js'
import { createProgram } from '../../bin/program.js'
import { keepTerminal, runCli } from '../fixtures/cli.js'

const program = createProgram(keepTerminal())

/** What bash offers behind these words. */
function offered (script: string, ...words: string[]): string[] {
  const list = words.map((word) => `'${word}'`).join(' ')
  const { stdout, status } = spawnSync('bash', ['--norc', '-c', `${script}\nCOMP_WORDS=(sluice ${list})\nCOMP_CWORD=${words.length}\n_sluice\nprintf '%s\\n' "\${COMPREPLY[@]}"`], { encoding: 'utf8' })
  if (status !== 0) throw new Error(`bash ended with ${status}`)
  return stdout.trim().split('\n')
}

const noBash = spawnSync('bash', ['--version']).status === 0 ? false : 'there is no bash on PATH'

test('completion: bash offers commands, their commands and their flags, and only those', { skip: noBash }, (t) => {
  const script = completionScript(program, 'bash')
  t.strictSame(offered(script, 'ex'), ['explain'])
  t.strictSame(offered(script, 'key', 'r').sort(), ['regenerate', 'revoke', 'rotate'])
  t.strictSame(offered(script, 'key', 'list', '--per'), ['--per-page'])
  t.strictSame(offered(script, 'check', 'gateway.config.yaml', '--e'), ['--env'], 'arguments between do not matter')
  t.strictSame(offered(script, 'project', 'get', 'key', '--y'), [''], 'nor does one that is called like a command')
  t.end()
})

test('completion: zsh and fish get what they understand, and another shell an error', async (t) => {
  t.match(completionScript(program, 'zsh'), /^#compdef sluice\n.*bashcompinit\n_sluice \(\) \{/)
  const fish = completionScript(program, 'fish').split('\n')
  t.ok(fish.every((line) => line.startsWith('complete -c sluice ')))
  t.ok(fish.some((line) => line.includes("-n '__fish_seen_subcommand_from key; and not __fish_seen_subcommand_from list")))
  t.match(await runCli(t, ['completion', 'tcsh']), { code: 2, stderr: /Allowed choices are bash, zsh, fish/ })
})

const noZsh = spawnSync('zsh', ['--version']).status === 0 ? false : 'there is no zsh on PATH'

test('completion: zsh runs it as its bashcompinit does', { skip: noZsh }, (t) => {
  const script = completionScript(program, 'zsh').split('\n').filter((line) => !/^#compdef|^autoload|^complete|^if /.test(line)).join('\n')
  const given = "compgen () { print -r -- $2 }\ncall () { emulate -L sh\n_sluice }\nCOMP_WORDS=(sluice key r)\nCOMP_CWORD=2\ncall\nprint -rl -- $COMPREPLY"
  const { stdout, stderr } = spawnSync('zsh', ['-f', '-c', `${script}\n${given}`], { encoding: 'utf8' })
  t.equal(stderr, '')
  t.match(stdout, /\brotate\b/)
  t.end()
})

test('completion: what zsh takes for something else is not in its script', (t) => {
  const script = completionScript(program, 'zsh')
  // A length that begins with a letter is a modifier, and `path` is PATH, an array; the first completion is what loads the script.
  t.notMatch(script, /:COMP_CWORD/)
  t.notMatch(script, /\b(?:path|words)=/)
  t.match(script, /\$funcstack\[1\].*_bash_complete -o default -F _sluice; fi$/)
  t.end()
})

test('completion: --json gives the script as a text', async (t) => {
  const { code, stdout } = await runCli(t, ['completion', 'fish', '--json'])
  t.equal(code, 0)
  t.strictSame(JSON.parse(stdout), { ok: true, shell: 'fish', script: completionScript(program, 'fish') })
})
