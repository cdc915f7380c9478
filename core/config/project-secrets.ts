import { closest } from '../lib/closest.js'
import { SECRET_NAME } from '../lib/secret-references.js'
import { asError } from '../lib/as-error.js'
import type { ConfigPath } from '../errors.js'
import { listOf } from './describe-schema.js'
import type { FindingList } from './findings.js'
import { REFERENCE, type ResolveText } from './references.js'
import { isPemPlace } from './secret-places.js'

/** The secrets that a project can name. */
export interface ProjectSecrets {
  /** Their names: for those who misspell one. */
  names (): Iterable<string>
  /** The value of one; null where there is none of this name. Throws Error where it can not be opened. */
  open (name: string): string | null
}

/** None at all. */
export const NO_SECRETS: ProjectSecrets = { names: () => [], open: () => null }

const NAME = new RegExp(SECRET_NAME)

/**
 * Resolves `${secret:NAME}` and `$${`; what else a text refers to is left as it is. Paths of `findings` begin with `at`. `used` learns each value
 * by its name: nobody may be told of it.
 */
export function secretReferences (secrets: ProjectSecrets, at: ConfigPath, findings: FindingList, used: Map<string, string>): ResolveText {
  const valueOf = (name: string, path: ConfigPath): string => {
    const fail = (message: string, remedy: string): string => {
      findings.add({ path: [...at, ...path], decisive: true, message, remedy })
      return ''
    }
    if (!NAME.test(name)) return fail(`"\${secret:${name.slice(0, 40)}}" names no secret`, 'names are letters, digits and "_", at most 64, and begin with no digit')
    let value: string | null
    try {
      value = secrets.open(name)
    } catch (error) {
      return fail(`the secret "${name}" can not be opened: ${asError(error).message}`, 'give it its value again')
    }
    if (value === null) {
      const names = [...new Set(secrets.names())].sort()
      const near = closest(name, names)
      return fail(`there is no secret "${name}" in this project or its account`, near !== null ? `did you mean "${near}"?` : `${names.length === 0 ? '' : `there are ${listOf(names)}; `}make it with POST /admin/secrets or \`sluice secret create\``)
    }
    used.set(name, value)
    return value
  }
  return (text, path) => {
    let named: string | null = null
    const resolved = text.replace(REFERENCE, (whole: string, _variable: unknown, _fallback: unknown, _file: unknown, name: string | undefined) => {
      if (whole === '$${') return '${'
      if (name === undefined) return whole
      named = name
      return valueOf(name, path)
    })
    // What is no PEM text would be taken for the name of a file.
    if (named !== null && isPemPlace(path) && !resolved.includes('-----BEGIN ')) {
      findings.add({ path: [...at, ...path], message: `what "\${secret:${String(named)}}" gives is no PEM text`, remedy: 'keep the text with its "-----BEGIN" line in the secret' })
    }
    return resolved
  }
}
