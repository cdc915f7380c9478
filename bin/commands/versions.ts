import type { Command } from 'commander'
import { callAdmin } from '../admin-client/client.js'
import { addConnectionFlags } from '../admin-client/connection-flags.js'
import { findConnection, type Connection, type ConnectionFlags } from '../admin-client/connection.js'
import { addProjectFlag, findProject } from '../admin-client/find-project.js'
import { printTable } from '../admin-client/show.js'
import { CommandError, refuseMisuse, runCommand } from '../command.js'
import { defaultEnvironment } from '../config-options.js'
import { EXIT } from '../exit-codes.js'
import { compareConfigs } from '../plan/compare.js'
import { printChanges, routesText, shownChanges } from '../plan/print-plan.js'
import { readSide } from '../plan/sides.js'
import { addColorFlags, visible, withColors, type ColorFlags, type Terminal } from '../terminal.js'

interface Flags extends ConnectionFlags, ColorFlags {
  readonly project?: string
  readonly env?: string
  readonly comment?: string
  readonly page: string
  readonly perPage: string
  readonly json?: boolean
}

const COLUMNS = ['version', 'current', 'created_at', 'author', 'comment']
/** What `diff` ends with where the two differ. */
const DIFFERENT = 2

/** Adds `sluice versions`, `sluice diff` and `sluice rollback`. */
export function addVersions (program: Command, terminal: Terminal): void {
  flags(program.command('versions')).description("list the versions of a project's configuration, newest first")
    .argument('[project]', 'its id, for --project')
    .option('--page <number>', 'page', '1')
    .option('--per-page <number>', 'how many on a page, at most 100', '20')
    .addHelpText('after', `
Examples:
  sluice versions shop
  SLUICE_PROJECT=shop sluice versions --per-page 5

Exit codes: 0 done · 1 refused, or nobody answers · 2 called wrongly`)
    .action((named: string | undefined, options: Flags) => run(terminal, options, async (connection) => {
      if (named !== undefined && options.project !== undefined && named !== options.project) throw new CommandError(`two projects are named: ${named} and ${options.project}`, 'name one', EXIT.usage)
      const project = await findProject(connection, named ?? options.project, terminal.env)
      const query = new URLSearchParams({ project_id: project, page: options.page, perPage: options.perPage })
      const { body } = await callAdmin(connection, { method: 'GET', path: `/admin/config?${query.toString()}` })
      const { data, pagination } = body as { data: Record<string, unknown>[], pagination: { page: number, total: number, totalPages: number } }
      if (options.json === true) terminal.print(JSON.stringify(body))
      else if (data.length === 0) terminal.complain('none')
      else printTable(data.map((version) => ({ ...version, current: version['current'] === true ? 'yes' : '' })), COLUMNS, terminal)
      if (options.json !== true && pagination.totalPages > 1) terminal.complain(`page ${pagination.page} of ${pagination.totalPages}, ${pagination.total} in all`)
      return EXIT.ok
    }))
  addColorFlags(flags(refuseMisuse(program.command('diff')))).description('what differs between two versions of a project, or between one and a file')
    .argument('[a]', 'a version, `current`, or a file with `projects:`; left out: the version before the current one')
    .argument('[b]', 'the same; left out: current')
    .option('--env <name>', 'environment laid over a file (SLUICE_ENV)', defaultEnvironment(terminal))
    .addHelpText('after', `
Both are compared as the gateway would serve them today, with all defaults filled in.

Examples:
  sluice diff                          what the last change was
  sluice diff 3                        what changed since version 3
  sluice diff 3 5 --project shop       what changed from one to the other
  sluice diff 3 shop.yaml              how the project of a file differs from version 3

Exit codes: 0 no difference · 1 refused, called wrongly, or nobody answers · 2 they differ`)
    .action((from: string | undefined, to: string | undefined, options: Flags) => run(terminal, options, async (connection) => {
      const project = await findProject(connection, options.project, terminal.env)
      const left = await readSide(connection, project, from ?? await versionBefore(connection, project), options.env, terminal)
      const right = await readSide(connection, project, to ?? 'current', options.env, terminal)
      const { changes, affectedRoutes } = compareConfigs(left.config, right.config)
      if (options.json === true) terminal.print(JSON.stringify({ ok: true, project, from: left.name, to: right.name, changes: shownChanges(changes), affectedRoutes }))
      else if (changes.length === 0) terminal.print(`project ${visible(project)}, ${left.name} to ${right.name}: no difference`)
      else {
        const colored = withColors(terminal, options)
        colored.print(`${colored.colors.bold(`project ${visible(project)}, ${left.name} to ${right.name}`)}: ${routesText(changes, affectedRoutes)}`)
        printChanges(changes, colored)
      }
      return changes.length === 0 ? EXIT.ok : DIFFERENT
    }))
  flags(program.command('rollback')).description('make a project what it was in a version, at once and as a new version')
    .argument('<n>', 'the version: `sluice versions` lists them')
    .option('--comment <text>', 'why: kept beside the version that comes of it')
    .addHelpText('after', `
The version is checked by the rules of today; where they refuse it, all stays as it is. Nothing is lost: the present version can be brought back alike.

Examples:
  sluice rollback 3
  sluice rollback 3 --project shop --comment "checkout answers 500"

Exit codes: 0 done · 1 refused, or nobody answers · 2 called wrongly`)
    .action((version: string, options: Flags) => run(terminal, options, async (connection) => {
      if (!/^[1-9]\d{0,8}$/.test(version)) throw new CommandError(`"${version}" is not a version`, 'give the number that `sluice versions` lists; the project goes with --project', EXIT.usage)
      const project = await findProject(connection, options.project, terminal.env)
      const path = `/admin/projects/${encodeURIComponent(project)}`
      const { body: before, etag } = await callAdmin(connection, { method: 'GET', path })
      const request = { version: Number(version), ...(options.comment === undefined ? {} : { comment: options.comment }) }
      const { body } = await callAdmin(connection, { method: 'POST', path: `${path}/rollback`, body: request, ...(etag === null ? {} : { ifMatch: etag }) })
      const now = (body as { config_version: number }).config_version
      if (options.json === true) terminal.print(JSON.stringify(body))
      else if (now === (before as { config_version: number }).config_version) terminal.print(`project ${visible(project)} is what it was in version ${version} already`)
      else terminal.print(`project ${visible(project)} is what it was in version ${version}, as version ${now}`)
      return EXIT.ok
    }))
}

async function versionBefore (connection: Connection, project: string): Promise<string> {
  const { body } = await callAdmin(connection, { method: 'GET', path: `/admin/projects/${encodeURIComponent(project)}` })
  const { config_version: now } = body as { config_version: number | null }
  if (now === null) throw new CommandError(`project ${project} is one of a file, which has no versions`, 'compare its files')
  if (now === 1) throw new CommandError(`project ${project} has one version`, 'there is nothing to compare it with yet')
  return String(now - 1)
}

function flags (command: Command): Command {
  return addProjectFlag(addConnectionFlags(command)).option('--json', 'as one JSON object')
}

function run (terminal: Terminal, options: Flags, act: (connection: Connection) => Promise<number>): Promise<void> {
  return runCommand(terminal, options.json === true, async () => await act(await findConnection(options, terminal.env))).then((code) => { process.exitCode = code })
}
