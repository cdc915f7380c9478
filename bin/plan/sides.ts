import { existsSync } from 'node:fs'
import { callAdmin } from '../admin-client/client.js'
import type { Connection } from '../admin-client/connection.js'
import { CommandError } from '../command.js'
import type { Terminal } from '../terminal.js'
import { presentConfig, wantedConfig } from './effective.js'
import { readProjects, refuseUnresolved } from './read-projects.js'

/** One of the two that are compared. */
export interface Side {
  /** What it is called: `version 3`, `current`, or the file. */
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
}

/** Reads what a word names of a project, as the gateway would serve it: a version by its number, what is `current`, or the project of a file. Throws CommandError. */
export async function readSide (connection: Connection, project: string, word: string, env: string | undefined, terminal: Terminal): Promise<Side> {
  if (/^[1-9]\d{0,8}$/.test(word)) {
    const { body } = await callAdmin(connection, { method: 'GET', path: `/admin/config/${encodeURIComponent(`cfv_${project}_${word}`)}?effective=true` })
    return { name: `version ${word}`, config: (body as { config: Side['config'] }).config }
  }
  const present = await presentConfig(connection, project)
  if (word === 'current') {
    if (present === null) throw new CommandError(`there is no project "${project}" in the store`, 'see `sluice project list`')
    return { name: word, config: present.config }
  }
  if (!existsSync(word)) throw new CommandError(`"${word}" is neither a version, nor \`current\`, nor a file`, 'give the number that `sluice versions` lists; the project goes with --project')
  const part = readProjects(word, env, terminal).projects.get(project)
  if (part === undefined) throw new CommandError(`${word} has no project "${project}"`, 'name it under `projects:`')
  refuseUnresolved([part])
  return { name: word, config: await wantedConfig(connection, project, part.config, present, undefined) }
}
