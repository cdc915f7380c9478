import { createHmac, randomBytes } from 'node:crypto'
import type { ConfigOrigin, ProjectConfig } from '../route.js'
import type { Egress } from '../lib/egress.js'
import { buildProject } from './build-project.js'
import { createFindingList, type Draft } from './findings.js'
import { hideSecrets, type HideSecrets } from './hide-secrets.js'
import { checkOrigin } from './origin.js'
import { NO_SECRETS, secretReferences, type ProjectSecrets } from './project-secrets.js'
import type { Raw } from './raw.js'
import { resolveReferences, type Originals } from './references.js'
import type { Registry } from './registry.js'
import type { RawScan } from './scan.js'

/** A project that did not come from a file. */
export interface ForeignProject {
  readonly name: string
  readonly origin: Exclude<ConfigOrigin, 'operator-file'>
  readonly registry: Registry
  /** Where targets of tenants may lead; left out: to public addresses. */
  readonly egress?: Egress
  /** The host names that a tenant may write; left out: they are not looked at. */
  readonly hosts?: readonly string[]
  /** What it can name as `${secret:NAME}`; `kept`: the names stay in their places, for a project that is shown; left out: none. */
  readonly secrets?: ProjectSecrets | 'kept'
}

/** A project that was built. */
export interface BuiltForeignProject {
  /** Null with findings. Where the project names secrets, their values are in it. */
  readonly project: { readonly config: ProjectConfig, readonly hash: string } | null
  readonly drafts: readonly Draft[]
  /** Takes the secrets of the project out of what others find wrong with it. */
  readonly hide: HideSecrets
}

// A hash of a short secret gives that away: this one is nobody's but this process's.
const HASH_KEY = randomBytes(32)

/** Builds a project from a value and what a scan of it found. Paths of what is wrong begin with `projects` and its name; with findings there is no project. */
export function buildForeignProject (value: Raw, scan: RawScan, { name, origin, registry, egress, hosts, secrets = NO_SECRETS }: ForeignProject): BuiltForeignProject {
  const list = createFindingList()
  const at = ['projects', name]
  for (const path of scan.notFinite) list.add({ path: [...at, ...path], message: 'a number has to be finite', remedy: 'write one with digits' })
  for (const path of scan.forbidden) list.add({ path: [...at, ...path], onKey: true, message: 'unknown key "__proto__"', remedy: 'remove it' })
  for (const finding of checkOrigin(value, origin, registry, egress, hosts)) list.add({ ...finding, path: [...at, ...finding.path] })
  // What may not be there is not looked at further: it could name files.
  const nowhere = { directory: () => '/', readText: () => ({ problem: 'files are closed here' }) }
  const used = new Map<string, string>()
  const originals: Originals = new Map()
  const found = (): Pick<BuiltForeignProject, 'drafts' | 'hide'> => {
    const hide = hideSecrets(used)
    const decided = new Set(list.items.filter(({ decisive }) => decisive === true).map(({ path }) => JSON.stringify(path)))
    return { hide, drafts: hide(list.items.filter(({ path, decisive }) => decisive === true || !decided.has(JSON.stringify(path)))) }
  }
  if (list.items.length > 0) return { project: null, ...found() }
  const resolved = secrets === 'kept' ? value : resolveReferences(value, scan.references, secretReferences(secrets, at, list, used), originals)
  const { config, hash } = buildProject(name, resolved, { origin, registry, authorPlugins: new Map(), originals, findings: list, secretsKept: secrets === 'kept', ...nowhere })
  const project = { config, hash: used.size === 0 ? hash : createHmac('sha256', HASH_KEY).update(hash).digest('base64url') }
  return { project: list.items.length > 0 ? null : project, ...found() }
}
