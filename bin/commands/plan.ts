import { readdirSync, statSync } from 'node:fs'
import path from 'node:path'
import type { Command } from 'commander'
import { loadProjects } from '../../core/config/load-projects.js'
import type { RawMap } from '../../core/config/raw.js'
import { ConfigError } from '../../core/errors.js'
import { addConnectionFlags } from '../admin-client/connection-flags.js'
import { findConnection, type Connection, type ConnectionFlags } from '../admin-client/connection.js'
import { CommandError, runCommand } from '../command.js'
import { defaultEnvironment, environmentOf } from '../config-options.js'
import { EXIT } from '../exit-codes.js'
import { applyStep, planProject, type Step } from '../plan/make-plan.js'
import { printPlan } from '../plan/print-plan.js'
import type { Terminal } from '../terminal.js'

interface Flags extends ConnectionFlags {
  readonly env?: string
  readonly json?: boolean
  readonly yes?: boolean
}

/** What `plan` ends with where something would change. */
const CHANGES = 2

/** Adds `sluice apply`, and `sluice plan PATH` to the group of the records that are called plans. */
export function addPlan (program: Command, terminal: Terminal): void {
  const group = program.commands.find((command) => command.name() === 'plan') ?? program.command('plan')
  // Flags behind `plan list` are those of `list`.
  flags(group.enablePositionalOptions(), terminal)
    .description('named limits; with a path: what would change if its projects were applied to a running gateway')
    .argument('<path>', 'a YAML file with `projects:`, or a folder of them')
    .addHelpText('after', `
Examples:
  sluice plan projects/                   what is different, and which routes it touches
  sluice plan shop.yaml --env staging     with an environment laid over

Exit codes: 0 nothing would change · 1 refused, or nobody answers · 2 something would change (or called wrongly, which standard error tells)`)
    .action((from: string, options: Flags) => run(terminal, options, async (connection) => {
      const steps = await planAll(connection, from, options, terminal)
      show(steps, options, terminal)
      return steps.every(({ action }) => action === 'none') ? EXIT.ok : CHANGES
    }))
  flags(program.command('apply'), terminal)
    .description("make a running gateway's projects those of a file, each at once and as planned")
    .argument('<path>', 'a YAML file with `projects:`, or a folder of them')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', `
Projects that the file does not name stay as they are. A project that somebody changed since the plan is left alone, and told.

Examples:
  sluice apply projects/ --yes

Exit codes: 0 done, or nothing to do · 1 refused, or nobody answers · 2 called wrongly`)
    .action((from: string, options: Flags) => run(terminal, options, async (connection) => {
      const steps = await planAll(connection, from, options, terminal)
      const changed = steps.filter(({ action }) => action !== 'none')
      if (options.json !== true) show(steps, options, terminal)
      if (changed.length > 0 && options.yes !== true) throw new CommandError('nothing was changed', 'say --yes to make it so', EXIT.usage)
      for (const [index, step] of changed.entries()) {
        await applyStep(connection, step)
        if (options.json !== true) terminal.complain(`${index + 1} of ${changed.length}: ${step.project} is applied`)
      }
      if (options.json === true) show(steps, options, terminal)
      return EXIT.ok
    }))
}

async function planAll (connection: Connection, from: string, { env }: Flags, terminal: Terminal): Promise<Step[]> {
  const projects = new Map<string, { config: RawMap, file: string }>()
  for (const file of filesOf(from)) {
    const { projects: read, findings } = loadProjects({ file, environment: environmentOf(env), env: terminal.env })
    if (findings.length > 0) throw new ConfigError(findings)
    for (const [name, config] of read) {
      const other = projects.get(name)
      if (other !== undefined) throw new CommandError(`${file} and ${other.file} both define the project "${name}"`, 'keep one of them')
      projects.set(name, { config, file })
    }
  }
  if (projects.size === 0) throw new CommandError(`there are no projects in ${from}`, 'begin with `projects:`')
  const steps: Step[] = []
  for (const [name, { config }] of projects) steps.push(await planProject(connection, name, config))
  return steps
}

function filesOf (from: string): string[] {
  if (!statSync(from).isDirectory()) return [from]
  return readdirSync(from).filter((name) => /\.ya?ml$/.test(name)).sort().map((name) => path.join(from, name))
}

function show (steps: readonly Step[], { json }: Flags, terminal: Terminal): void {
  if (json === true) terminal.print(JSON.stringify({ ok: true, projects: steps.map(({ project, action, changes, affectedRoutes }) => ({ project, action, changes: changes.map(({ path: at, kind }) => ({ path: at, kind })), affectedRoutes })) }))
  else printPlan(steps, terminal)
}

function flags (command: Command, terminal: Terminal): Command {
  return addConnectionFlags(command.option('--env <name>', 'environment laid over (SLUICE_ENV)', defaultEnvironment(terminal)))
    .option('--json', 'the plan as one JSON object')
}

function run (terminal: Terminal, options: Flags, act: (connection: Connection) => Promise<number>): Promise<void> {
  return runCommand(terminal, options.json === true, async () => await act(await findConnection(options, terminal.env))).then((code) => { process.exitCode = code })
}
