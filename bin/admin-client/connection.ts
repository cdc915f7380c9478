import { readFile, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import path from 'node:path'
import { load as parseYaml } from 'js-yaml'
import { isMap } from '../../core/config/raw.js'
import { CommandError } from '../command.js'

/** Where a gateway's admin port is, and what opens it. */
export interface Connection {
  /** Without a slash at its end. */
  readonly url: string
  readonly token: string
  /** The project that commands mean which name none, where the profile has one. */
  readonly project: string | null
}

/** What the flags of a command say about it. */
export interface ConnectionFlags {
  readonly url?: string
  readonly profile?: string
  readonly tokenFile?: string
}

type Environment = Readonly<Record<string, string | undefined>>

const DEFAULT_URL = 'http://127.0.0.1:8081'

/**
 * Finds the gateway that a command means: flags first, then SLUICE_ADMIN_URL and SLUICE_ADMIN_TOKEN, then the profile (`--profile`,
 * SLUICE_PROFILE, or the one called `default`), then the port of a gateway on this machine. A token comes from the environment or from a file
 * that nobody else can read, never from the command line, which others can see. Throws CommandError with what to do.
 */
export async function findConnection (flags: ConnectionFlags, env: Environment): Promise<Connection> {
  const named = flags.profile ?? nonEmpty(env['SLUICE_PROFILE'])
  const file = profilesFile(env)
  const profile = await readProfile(file, named ?? 'default', named !== undefined)
  const url = checkUrl(flags.url ?? nonEmpty(env['SLUICE_ADMIN_URL']) ?? profile.url ?? DEFAULT_URL)
  const given = flags.tokenFile === undefined && named === undefined ? nonEmpty(env['SLUICE_ADMIN_TOKEN']) : undefined
  const tokenFile = flags.tokenFile ?? profile.token_file
  const token = given ?? (tokenFile === undefined ? nonEmpty(env['SLUICE_ADMIN_TOKEN']) : await readTokenFile(resolveHome(tokenFile, env)))
  if (token === undefined) {
    throw new CommandError('there is no token for the admin API', `set SLUICE_ADMIN_TOKEN, give --token-file with the file that \`sluice start\` names, or put a profile into ${file}`)
  }
  return { url, token, project: profile.project ?? null }
}

/** The file with the profiles: `$XDG_CONFIG_HOME/sluice/profiles.yaml`. */
function profilesFile (env: Environment): string {
  return path.join(nonEmpty(env['XDG_CONFIG_HOME']) ?? path.join(nonEmpty(env['HOME']) ?? homedir(), '.config'), 'sluice', 'profiles.yaml')
}

interface Profile { readonly url?: string, readonly token_file?: string, readonly project?: string }

const PROFILE_KEYS: readonly string[] = ['url', 'token_file', 'project'] satisfies (keyof Profile)[]

async function readProfile (file: string, name: string, required: boolean): Promise<Profile> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    if (!required && (error as NodeJS.ErrnoException).code === 'ENOENT') return {}
    throw new CommandError(`the profile "${name}" can not be read from ${file}: ${(error as NodeJS.ErrnoException).code}`, 'write it there: `name: { url: …, token_file: … }`')
  }
  let profiles: unknown
  try {
    profiles = parseYaml(text)
  } catch {
    throw new CommandError(`${file} is not YAML`, 'write one line a profile: `name: { url: …, token_file: … }`')
  }
  const profile = isMap(profiles) && Object.hasOwn(profiles, name) ? profiles[name] : undefined
  if (profile === undefined) {
    if (!required) return {}
    throw new CommandError(`${file} has no profile "${name}"`, `it has ${isMap(profiles) && Object.keys(profiles).length > 0 ? Object.keys(profiles).join(', ') : 'none'}`)
  }
  const strays = isMap(profile) ? Object.keys(profile).filter((key) => !PROFILE_KEYS.includes(key)) : ['']
  if (!isMap(profile) || strays.length > 0 || PROFILE_KEYS.some((key) => profile[key] !== undefined && typeof profile[key] !== 'string')) {
    throw new CommandError(`the profile "${name}" in ${file} is not understood`, 'a profile has url, token_file and project, all texts; the token itself stands in its file')
  }
  return profile as Profile
}

/** Reads a token from a file that only its owner can read. */
async function readTokenFile (file: string): Promise<string> {
  try {
    const { mode } = await stat(file)
    if (process.platform !== 'win32' && (mode & 0o077) !== 0) throw new CommandError(`${file} is open to others`, `chmod 600 ${file}; if somebody may have read it, make another token`)
    const token = (await readFile(file, 'utf8')).trim()
    if (token === '') throw new CommandError(`${file} is empty`, 'put the token into it')
    return token
  } catch (error) {
    if (error instanceof CommandError) throw error
    throw new CommandError(`the token can not be read from ${file}: ${(error as NodeJS.ErrnoException).code}`, 'name the file that `sluice start` tells of')
  }
}

function checkUrl (text: string): string {
  let url: URL
  try {
    url = new URL(text)
  } catch {
    throw new CommandError(`"${text}" is not a URL`, `write it like ${DEFAULT_URL}`)
  }
  if ((url.protocol !== 'http:' && url.protocol !== 'https:') || url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new CommandError('the address of the admin API is http or https, with a host and perhaps a path', `write it like ${DEFAULT_URL}; the token comes from the environment or a file`)
  }
  return text.replace(/\/+$/, '')
}

function resolveHome (file: string, env: Environment): string {
  return file.startsWith('~/') ? path.join(nonEmpty(env['HOME']) ?? homedir(), file.slice(2)) : file
}

function nonEmpty (text: string | undefined): string | undefined {
  return text === '' ? undefined : text
}
