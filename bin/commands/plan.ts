import type { Command } from 'commander'
import { addConnectionFlags } from '../admin-client/connection-flags.js'
import { findConnection, type Connection, type ConnectionFlags } from '../admin-client/connection.js'
import { CommandError, refuseMisuse, runCommand } from '../command.js'
import { defaultEnvironment } from '../config-options.js'
import { confirm } from '../confirm.js'
import { EXIT } from '../exit-codes.js'
import { declaredNames, LEFT_TO_FILES, NO_PLUGINS, planDeclared } from '../plan/declared-projects.js'
import { presentConfig } from '../plan/effective.js'
import { applyStep, changesInherited, changesOwn, planProject, planRemovals, type Step } from '../plan/make-plan.js'
import { printPlan, shownChanges } from '../plan/print-plan.js'
import { readProjects, refuseUnresolved } from '../plan/read-projects.js'
import { addColorFlags, withColors, type ColorFlags, type Terminal } from '../terminal.js'

interface Flags extends ConnectionFlags, ColorFlags {
  readonly env?: string
  readonly account?: string
  readonly prune?: boolean
  readonly comment?: string
  readonly json?: boolean
  readonly yes?: boolean
}

/** What `plan` ends with where something would change. */
const CHANGES = 2
const GATEWAY_STAYS = new CommandError('the plugins of the gateway stay as they are', "they are in the gateway's own file: change that")

/** Adds `sluice apply`, and `sluice plan PATH` to the group of the records that are called plans. */
export function addPlan (program: Command, terminal: Terminal): void {
  const group = program.commands.find((command) => command.name() === 'plan') ?? program.command('plan')
  // Flags behind `plan list` are those of `list`.
  flags(refuseMisuse(group.enablePositionalOptions()), terminal)
    .description('named limits; with a path: what would change if its projects were applied to a running gateway')
    .argument('<path>', 'a YAML file with `projects:`, or a folder of them')
    .addHelpText('after', `
Examples:
  sluice plan projects/                          what is different, and which routes it touches
  sluice plan shop.yaml --env staging            with an environment laid over
  sluice plan gateway.yaml --env staging         what a reload of the gateway's own file would change
  sluice plan projects/ --prune --account local  also which projects no file names any more

Projects that the gateway's own files declare are compared as they serve. Where a file has the plugins of the gateway too, it is told what they would
change for its projects. A file with settings of the gateway is compared as what stands in the place of the gateway's own: projects that it does not
name would go. Apply leaves all of that to the gateway's own files.

Exit codes: 0 nothing would change · 1 refused, called wrongly, or nobody answers · 2 something would change`)
    .action((from: string, options: Flags) => run(terminal, options, async (connection) => {
      const steps = await planAll(connection, from, options, terminal, EXIT.refused)
      show(steps, options, terminal)
      return steps.every(({ action }) => action === 'none') ? EXIT.ok : CHANGES
    }))
  flags(program.command('apply'), terminal)
    .description("make a running gateway's projects those of a file, each at once and as planned")
    .argument('<path>', 'a YAML file with `projects:`, or a folder of them')
    .option('--comment <text>', 'why: kept beside the versions that come of it')
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', `
Each project changes whole or not at all. One that somebody changed since the plan is left alone, and told; the others are applied.
Projects that the files do not name stay, unless --prune says otherwise.

Examples:
  sluice apply projects/ --yes
  sluice apply projects/ --yes --comment "$(git rev-parse --short HEAD)"
  sluice apply projects/ --prune --account acme

Exit codes: 0 done, or nothing to do · 1 refused in part or whole, or nobody answers · 2 called wrongly, or not confirmed`)
    .action((from: string, options: Flags) => run(terminal, options, async (connection) => {
      const steps = await planAll(connection, from, options, terminal, EXIT.usage)
      const changed = steps.filter((step) => step.source === 'store' && changesOwn(step))
      if (options.json !== true) show(steps, options, terminal)
      if (changed.length > 0 && options.yes !== true) await confirm(`this is the plan, nothing is changed yet: apply it to ${connection.url}`, 'yes')
      const failures = await applyAll(connection, changed, options, terminal)
      tellFiles(steps, failures, options, terminal)
      tellGateway(steps, failures, options, terminal)
      if (options.json === true) show(steps, options, terminal, failures)
      return failures.size === 0 ? EXIT.ok : EXIT.refused
    }))
}

async function planAll (connection: Connection, from: string, { env, account, prune }: Flags, terminal: Terminal, misuse: number): Promise<Step[]> {
  if (prune === true && account === undefined) throw new CommandError('--prune takes projects away, and nothing says of which account', "add --account: `local` is the operators' own", misuse)
  const { projects, gatewayPlugins, isGateway } = readProjects(from, env, terminal)
  const declared = await declaredNames(connection)
  // A gateway without projects in files has no file whose place this one could take.
  const isWhole = isGateway && declared.size > 0
  const ofFiles = new Set(declared)
  if (isWhole) for (const name of projects.keys()) if (!declared.has(name) && await presentConfig(connection, name) === null) ofFiles.add(name)
  const ofStore = [...projects].filter(([name]) => !ofFiles.has(name))
  if (ofStore.length > 0) refuseUnresolved([...ofStore.map(([, project]) => project), ...gatewayPlugins === null ? [] : [gatewayPlugins]])
  const steps: Step[] = []
  for (const [name, project] of projects) {
    steps.push(await (ofFiles.has(name)
      ? planDeclared(connection, name, project, gatewayPlugins ?? (isWhole ? NO_PLUGINS : null))
      : planProject(connection, name, project.config, account, gatewayPlugins?.config ?? (isWhole ? [] : null))))
  }
  if (isWhole) for (const name of declared) if (!projects.has(name)) steps.push(await planDeclared(connection, name, null, null))
  return prune === true && account !== undefined ? [...steps, ...await planRemovals(connection, account, projects)] : steps
}

/** Carries out each step for itself; gives what kept those from it that could not be, by project. */
async function applyAll (connection: Connection, steps: readonly Step[], { account, comment, json }: Flags, terminal: Terminal): Promise<Map<string, CommandError>> {
  const failures = new Map<string, CommandError>()
  for (const [index, step] of steps.entries()) {
    const said = `${index + 1} of ${steps.length}`
    try {
      await applyStep(connection, step, { account, comment })
      if (json !== true) terminal.complain(`${said}: ${step.project} is ${step.action === 'remove' ? 'removed' : 'applied'}`)
    } catch (error) {
      if (!(error instanceof CommandError)) throw error
      failures.set(step.project, error)
      if (json !== true) terminal.complain(`${said}: ${error.message}${error.remedy === '' ? '' : ` (${error.remedy})`}`)
    }
  }
  return failures
}

/** What the gateway's own files declare is theirs: that it is not what is planned is a failure of each such project. */
function tellFiles (steps: readonly Step[], failures: Map<string, CommandError>, { json }: Flags, terminal: Terminal): void {
  const left = steps.filter(({ source, action }) => source === 'file' && action !== 'none')
  if (left.length === 0) return
  for (const { project } of left) failures.set(project, LEFT_TO_FILES)
  if (json !== true) terminal.complain(`${LEFT_TO_FILES.message}: ${left.map(({ project }) => project).join(', ')} (${LEFT_TO_FILES.remedy})`)
}

/** The plugins of the gateway are its own file's: that they are not what is planned is a failure of each project that was to inherit them. */
function tellGateway (steps: readonly Step[], failures: Map<string, CommandError>, { json }: Flags, terminal: Terminal): void {
  const waiting = steps.filter((step) => changesInherited(step) && !failures.has(step.project))
  if (waiting.length === 0) return
  for (const { project } of waiting) failures.set(project, GATEWAY_STAYS)
  if (json !== true) terminal.complain(`${GATEWAY_STAYS.message}, and are inherited by ${waiting.map(({ project }) => project).join(', ')} (${GATEWAY_STAYS.remedy})`)
}

function show (steps: readonly Step[], options: Flags, terminal: Terminal, failures?: ReadonlyMap<string, CommandError>): void {
  if (options.json !== true) { printPlan(steps, withColors(terminal, options)); return }
  const projects = steps.map((step) => {
    const { project, action, source, changes, affectedRoutes } = step
    const failure = failures?.get(project)
    const outcome = failures === undefined || action === 'none' ? {} : failure === undefined ? { applied: true } : { applied: failure === GATEWAY_STAYS && changesOwn(step), error: { message: failure.message, remedy: failure.remedy } }
    return { project, action, source, changes: shownChanges(changes), affectedRoutes, ...outcome }
  })
  terminal.print(JSON.stringify({ ok: failures === undefined || failures.size === 0, projects }))
}

function flags (command: Command, terminal: Terminal): Command {
  return addColorFlags(addConnectionFlags(command.option('--env <name>', 'environment laid over (SLUICE_ENV)', defaultEnvironment(terminal))))
    .option('--account <id>', 'the account of projects that are new, and with --prune of those that may go')
    .option('--prune', 'also take away the projects of the account that the files do not name')
    .option('--json', 'the plan as one JSON object')
}

function run (terminal: Terminal, options: Flags, act: (connection: Connection) => Promise<number>): Promise<void> {
  return runCommand(terminal, options.json === true, async () => await act(await findConnection(options, terminal.env))).then((code) => { process.exitCode = code })
}
