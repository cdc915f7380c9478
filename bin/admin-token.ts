import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { link, mkdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** The operator's token, and where it comes from. */
export interface AdminToken {
  token: string
  /** `environment`, or the path of the file. */
  source: string
  /** Whether the file was made just now. */
  created: boolean
}

/** Where to look for the token. */
export interface AdminTokenPlaces {
  env: NodeJS.ProcessEnv
  /** The file that the configuration names; null = `admin-token` in `stateDir`. */
  tokenFile: string | null
  stateDir: string
}

const VARIABLE = 'SLUICE_ADMIN_TOKEN'

// What `Authorization: Bearer` can carry (RFC 6750 section 2.1), and long enough not to be guessed.
const TOKEN = /^[A-Za-z0-9\-._~+/]{16,}=*$/
const RULE = 'use at least 16 characters of A-Z a-z 0-9 - . _ ~ + /'

/**
 * Loads the admin token: `SLUICE_ADMIN_TOKEN`, else the token file, which is made (mode 0600, 32 random bytes) where it is missing.
 * Throws Error with the remedy for a token that is too weak and for a file that others can read.
 */
export async function loadAdminToken ({ env, tokenFile, stateDir }: AdminTokenPlaces): Promise<AdminToken> {
  const given = env[VARIABLE]
  if (given !== undefined && given !== '') {
    if (!TOKEN.test(given)) throw new Error(`${VARIABLE} is not a usable token (${RULE}; \`openssl rand -hex 32\` makes one)`)
    return { token: given, source: 'environment', created: false }
  }
  const path = tokenFile ?? join(stateDir, 'admin-token')
  const made = existsSync(path) ? null : await makeTokenFile(path)
  return made === null ? { token: await readTokenFile(path), source: path, created: false } : { token: made, source: path, created: true }
}

/** Makes the file; null where there is one. Linked into place, so that nobody ever reads half of it. */
async function makeTokenFile (path: string): Promise<string | null> {
  const token = `sat_${randomBytes(32).toString('base64url')}`
  const draft = `${path}.${randomBytes(6).toString('hex')}`
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeFile(draft, `${token}\n`, { mode: 0o600, flag: 'wx', flush: true })
    await link(draft, path)
    return token
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' && existsSync(path)) return null
    throw new Error(`the admin token can not be kept in ${path}: ${code} (let this user write there, or set ${VARIABLE})`, { cause: error })
  } finally {
    await rm(draft, { force: true }).catch(() => {}) // what kept it from being made is the error to tell
  }
}

async function readTokenFile (path: string): Promise<string> {
  let mode: number
  let token: string
  try {
    ({ mode } = await stat(path))
    token = (await readFile(path, 'utf8')).trim()
  } catch (error) {
    throw new Error(`the admin token can not be read from ${path}: ${(error as NodeJS.ErrnoException).code} (let this user read it, or set ${VARIABLE})`, { cause: error })
  }
  if (process.platform !== 'win32' && (mode & 0o077) !== 0) {
    throw new Error(`${path} is open to others, mode ${(mode & 0o777).toString(8).padStart(4, '0')} (chmod 600 it; if somebody may have read it, delete it, and a new one is made)`)
  }
  if (!TOKEN.test(token)) throw new Error(`${path} does not hold a usable token (${RULE}; delete the file, and a new one is made)`)
  return token
}
