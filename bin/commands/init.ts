import { access, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { Option, type Command } from 'commander'
import { CommandError, runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { TEMPLATES } from '../templates/index.js'
import type { ProjectTemplate } from '../templates/template.js'
import { visible, type Terminal } from '../terminal.js'

/** Adds `sluice init`. */
export function addInit (program: Command, terminal: Terminal): void {
  program.command('init')
    .description('make a folder with a configuration that runs')
    .argument('[dir]', 'folder for gateway.config.yaml and what belongs to it; made if it is not there', '.')
    .addOption(new Option('--template <name>', 'what to begin with').choices(TEMPLATES.map(({ name }) => name)).default(TEMPLATES[0].name))
    .option('--force', 'write over files that are there')
    .option('--json', 'one JSON object: ok, file, files')
    .addHelpText('after', `
Templates:
${TEMPLATES.map(({ name, description }) => `  ${name.padEnd(10)}${description}`).join('\n')}

Examples:
  sluice init                             gateway.config.yaml in this folder
  sluice init gateway && cd gateway && sluice start
  sluice init shop --template orders

Exit codes: 0 written · 1 a file is there already, or can not be written · 2 called wrongly`)
    .action(async (directory: string, { template, force, json }: { template: string, force?: boolean, json?: boolean }) => {
      const chosen = TEMPLATES.find(({ name }) => name === template) ?? TEMPLATES[0]
      process.exitCode = await init({ directory, template: chosen, force: force === true, json: json === true }, terminal)
    })
}

/** Writes what a template holds, says what to do next, and gives the exit code. Nothing is written where one of its files is there already. */
export function init ({ directory, template, force, json }: { directory: string, template: ProjectTemplate, force: boolean, json: boolean }, terminal: Terminal): Promise<number> {
  return runCommand(terminal, json, async () => {
    const files = template.files.map(([name, text]) => ({ file: path.join(directory, name), text }))
    await mkdir(directory, { recursive: true })
    if (!force) for (const { file } of files) if (await isThere(file)) throw alreadyThere(file)
    for (const { file, text } of files) {
      try {
        await writeFile(file, text, { flag: force ? 'w' : 'wx' })
      } catch (error) {
        throw (error as NodeJS.ErrnoException).code === 'EEXIST' ? alreadyThere(file) : error
      }
    }
    const config = path.join(directory, 'gateway.config.yaml')
    if (json) {
      terminal.print(JSON.stringify({ ok: true, file: path.resolve(config), files: files.map(({ file }) => path.resolve(file)) }))
      return EXIT.ok
    }
    terminal.print(`${files.map(({ file }) => `${terminal.colors.dim('wrote')} ${visible(file)}`).join('\n')}

Next:
  ${directory === '.' ? '' : `cd ${visible(directory)} && `}sluice start
  ${template.try}
  sluice schema --out gateway.schema.json    completion and hover texts in editors`)
    return EXIT.ok
  })
}

function alreadyThere (file: string): CommandError {
  return new CommandError(`${file} is there already`, 'choose another folder, or write over it with --force')
}

async function isThere (file: string): Promise<boolean> {
  return access(file).then(() => true, () => false)
}
