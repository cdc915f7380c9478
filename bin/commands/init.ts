import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import type { Command } from 'commander'
import { CommandError, runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { initTemplate } from '../init-template.js'
import { visible, type Terminal } from '../terminal.js'

/** Adds `sluice init`. */
export function addInit (program: Command, terminal: Terminal): void {
  program.command('init')
    .description('write a small configuration that runs')
    .argument('[dir]', 'folder for gateway.config.yaml; made if it is not there', '.')
    .option('--force', 'write over a gateway.config.yaml that is there')
    .option('--json', 'one JSON object: ok, file')
    .addHelpText('after', `
Examples:
  sluice init                             gateway.config.yaml in this folder
  sluice init gateway && cd gateway && sluice start

Exit codes: 0 written · 1 there is one already, or it can not be written · 2 called wrongly`)
    .action(async (dir: string, { force, json }: { force?: boolean, json?: boolean }) => {
      process.exitCode = await init({ directory: dir, force: force === true, json: json === true }, terminal)
    })
}

/** Writes a configuration, says what to do next, and gives the exit code. */
export function init ({ directory, force, json }: { directory: string, force: boolean, json: boolean }, terminal: Terminal): Promise<number> {
  return runCommand(terminal, json, async () => {
    const file = path.join(directory, 'gateway.config.yaml')
    await mkdir(directory, { recursive: true })
    try {
      await writeFile(file, initTemplate(), { flag: force ? 'w' : 'wx' })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw new CommandError(`${file} is there already`, 'choose another folder, or write over it with --force')
      throw error
    }
    if (json) {
      terminal.print(JSON.stringify({ ok: true, file: path.resolve(file) }))
      return EXIT.ok
    }
    const there = directory === '.' ? '' : ` -c ${file}`
    terminal.print(`${terminal.colors.dim('wrote')} ${visible(file)}

Next:
  sluice start${visible(there)}
  curl -i http://127.0.0.1:8080/echo/hello?x=1
  sluice schema --out ${visible(path.join(directory, 'gateway.schema.json'))}    completion and hover texts in editors`)
    return EXIT.ok
  })
}
