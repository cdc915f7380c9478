import { mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { plugins } from '../plugins/index.js'
import { CommandError } from './command.js'
import { pluginTemplate } from './plugin-template.js'

/** What `sluice plugin new` is told. */
export interface PluginTemplateOptions {
  /** The plugin's name, kebab-case. */
  name: string
  /** Where its folder is made: in `plugins/` below this. */
  directory: string
}

const LONGEST_NAME = 64

/**
 * Writes a plugin that works, with its schema, README and test, into `plugins/<name>/`, and returns the files (absolute paths). Throws
 * CommandError for a name that can not be one or is the gateway's own, and where the folder has something in it already: nothing is ever overwritten.
 */
export async function writePluginTemplate ({ name, directory }: PluginTemplateOptions): Promise<string[]> {
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) throw new CommandError(`"${name}" can not be the name of a plugin`, suggest(name))
  if (plugins.some((own) => own.name === name)) throw new CommandError(`"${name}" is a plugin of the gateway`, `choose another name, like "my-${name}"`)
  if (name.length > LONGEST_NAME) throw new CommandError(`the name has ${name.length} characters`, `take at most ${LONGEST_NAME}: it labels metrics`)
  const folder = path.resolve(directory, 'plugins', name)
  await mkdir(folder, { recursive: true })
  if ((await readdir(folder)).length > 0) throw new CommandError(`${folder} has something in it already`, 'choose another name, or remove it')
  const written: string[] = []
  for (const [file, text] of Object.entries(pluginTemplate(name))) {
    const place = path.join(folder, file)
    await writeFile(place, text, { flag: 'wx' })
    written.push(place)
  }
  return written
}

function suggest (name: string): string {
  const kebab = name
    .replace(/([a-z0-9])([A-Z])/g, '$1-$2')
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '-')
    .replace(/^[^a-z]+|-+$/g, '')
  return kebab === '' ? 'write it in lower case with hyphens, like "my-plugin"' : `write it as "${kebab.slice(0, LONGEST_NAME)}"`
}
