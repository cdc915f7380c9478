import type { Command } from 'commander'
import { CommandError } from '../command.js'
import { callAdmin } from './client.js'
import type { Connection } from './connection.js'

const MOST_NAMED = 5

/** Adds the flag that says which project a command means. */
export function addProjectFlag (command: Command): Command {
  return command.option('-p, --project <id>', 'the project (SLUICE_PROJECT, or that of your profile; left out where there is only one)')
}

/**
 * The project that a command means: what it was given, then SLUICE_PROJECT, then that of the profile, then the only one that the token sees. Throws
 * CommandError with what to do where none of these says it.
 */
export async function findProject (connection: Connection, given: string | undefined, env: Readonly<Record<string, string | undefined>>): Promise<string> {
  const named = [given, env['SLUICE_PROJECT'], connection.project].find((one) => one !== undefined && one !== null && one !== '')
  if (typeof named === 'string') return named
  const { body } = await callAdmin(connection, { method: 'GET', path: `/admin/projects?perPage=${MOST_NAMED}&sort=project_id` })
  const { data, pagination: { total } } = body as { data: { project_id: string }[], pagination: { total: number } }
  const [first] = data
  if (first === undefined) throw new CommandError('this token sees no project of the store', 'make one (`sluice project create`, or `sluice apply`), or use a token that sees it')
  if (total === 1) return first.project_id
  const ids = data.map(({ project_id: id }) => id).join(', ')
  throw new CommandError(`there are ${total} projects, and nothing says which is meant`, `add --project, set SLUICE_PROJECT, or give your profile a project; there are ${ids}${total > data.length ? ', …' : ''}`)
}
