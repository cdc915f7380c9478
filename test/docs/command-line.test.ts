import { readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import type { Command } from 'commander'
import { RESOURCES } from '../../bin/admin-client/resources.js'
import { createProgram } from '../../bin/program.js'
import { createTerminal } from '../../bin/terminal.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { blocksOf, codesIn, listDocuments, proseOf, readDocument, tablesUnder } from '../fixtures/documents.js'

const program = createProgram(createTerminal({ stdout: process.stdout, stderr: process.stderr, env: {} }))

/** The command that the words behind `sluice` name, `plugin new` too; undefined where there is none. */
function commandOf (words: readonly string[], from: Command = program): Command | undefined {
  const command = from.commands.find((one) => one.name() === words[0])
  if (command === undefined || command.commands.length === 0) return command
  // `sluice plan` is a group, and with a path a command of its own.
  return commandOf(words.slice(1), command) ?? (command.registeredArguments.length > 0 ? command : undefined)
}

/** What a command is called with in its help: `plugin new NAME`. */
function callsOf (command: Command, prefix = ''): string[] {
  return command.commands.flatMap((one) => one.commands.length > 0 ? callsOf(one, `${prefix}${one.name()} `) : [`${prefix}${one.name()}`])
}

test('readme: the commands that it lists are those that there are', (t) => {
  const [table = []] = tablesUnder(readDocument('README.md'), 'The command line')
  const groups = new Set(RESOURCES.map(({ name }) => name))
  const listed = table.map(([call = '']) => (codesIn(call)[0] ?? '').replace(/^sluice /, ''))
  t.same(listed.map((call) => call.replace(/ [^a-z].*$/, '')).sort(), callsOf(program).filter((call) => !groups.has(call.split(' ')[0] ?? '')).sort())
  for (const call of listed) {
    const command = commandOf(call.split(' '))
    const wanted = command?.registeredArguments.filter(({ required }) => required).map((one) => one.name().toUpperCase()) ?? []
    for (const name of wanted) t.ok(call.includes(name), `${call} names ${name}`)
  }
  t.end()
})

test('cli.md: the commands over the admin API that it lists are those that there are', (t) => {
  const [table = []] = tablesUnder(readDocument('docs/cli.md'), 'Records')
  const listed = table.flatMap(([group = '', commands = '']) => codesIn(commands).map((command) => `${(codesIn(group)[0] ?? '').replace('sluice ', '')} ${command}`))
  const groups = new Set(RESOURCES.map(({ name }) => name))
  t.same(listed.sort(), callsOf(program).filter((call) => groups.has(call.split(' ')[0] ?? '')).sort())
  t.end()
})

test('documents: every command and flag that they show exists', (t) => {
  let count = 0
  for (const document of listDocuments()) {
    if (document.path === 'CHANGELOG.md') continue
    const shell = blocksOf(document).filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n'))
    for (const line of [...codesIn(proseOf(document)), ...shell]) {
      const [, rest] = /^(?:npx )?sluice (?=[a-z])(.*)$/.exec(line.trim()) ?? []
      if (rest === undefined) continue
      count++
      const words = rest.split(/\s+/)
      const command = commandOf(words)
      if (!t.ok(command, `${document.path}: ${line}`)) continue
      for (const flag of words.filter((word) => /^--?[a-zA-Z]/.test(word))) {
        t.ok(command?.options.some(({ short, long }) => short === flag || long === flag.split('=')[0]), `${document.path}: ${line}: ${flag}`)
      }
    }
  }
  t.ok(count >= 10, `${count} commands`)
  t.end()
})

test('operations.md: the flags and variables of start are those that it lists', (t) => {
  const [table = []] = tablesUnder(readDocument('docs/operations.md'), 'Start')
  const listed = table.flatMap(([flag = '', variable = '']) => flag === '' ? [] : [`${(codesIn(flag)[0] ?? '').split(' ')[0]} ${codesIn(variable)[0] ?? ''}`])
  const options = commandOf(['start'])?.options.map(({ long, envVar }) => `${long} ${envVar ?? ''}`) ?? []
  t.same(listed.sort(), options.sort())
  t.end()
})

test('documents: every npm script that they show exists, and every script is in the contribution guide', (t) => {
  const { scripts } = JSON.parse(readFileSync(path.join(REPOSITORY, 'package.json'), 'utf8')) as { scripts: Record<string, string> }
  const shown = (text: string): string[] => [...text.matchAll(/npm (?:run )?([a-z:]+)/g)].map(([, name = '']) => name)
  for (const document of listDocuments()) {
    const shell = blocksOf(document).filter(({ language }) => language === 'sh').flatMap(({ text }) => text.split('\n'))
    for (const line of [...codesIn(proseOf(document)), ...shell]) {
      for (const name of shown(line)) t.ok(name === 'ci' || name === 'install' || Object.hasOwn(scripts, name), `${document.path}: npm ${name}`)
    }
  }
  const guide = new Set(shown(readDocument('CONTRIBUTING.md').text))
  // What others run by themselves.
  const own = Object.keys(scripts).filter((name) => !/^(?:pre|post)/.test(name) && name !== 'build')
  for (const name of own) t.ok(guide.has(name), `CONTRIBUTING.md has npm ${name}`)
  t.end()
})
