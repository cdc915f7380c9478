import { namesOfSecrets } from '../lib/secret-references.js'
import type { KeyRing } from './key-ring.js'
import { plainRecord } from './record-values.js'
import type { Project, Sealed } from './records.js'
import { CONFIG_PLACE } from './sealed-fields.js'

/** A project in the configuration language. */
export type PlainConfig = Readonly<Record<string, unknown>>

/** Seals a configuration, whole, for a project of this account or one of its versions. Throws InvalidValueError for what JSON does not have, and for what is too large. */
export function sealConfig (ring: Pick<KeyRing, 'seal'>, customerId: string, config: PlainConfig): Sealed {
  // What is sealed is looked at by nobody later: what the store would refuse is refused here.
  return ring.seal(customerId, CONFIG_PLACE, JSON.stringify(plainRecord('projects', { config }).config))
}

/** The configuration of a project or version; null where it has none. Throws KeyRingError where it can not be opened. */
export function openConfig (ring: Pick<KeyRing, 'open'>, { customer_id: customerId, config }: Pick<Project, 'customer_id' | 'config'>): PlainConfig | null {
  return config === null ? null : JSON.parse(ring.open(customerId, CONFIG_PLACE, config)) as PlainConfig
}

/** Whether the configuration of a project names a secret of the store; true where it can not be opened, so that nobody goes by that. */
export type NamesSecret = (project: Project, name: string) => boolean

/** Makes what tells which secrets configurations name. Each is opened once, when it is first asked about. */
export function createNamesSecret (ring: Pick<KeyRing, 'open'>): NamesSecret {
  const known = new WeakMap<Project, ReadonlySet<string> | null>()
  const namesOf = (project: Project): ReadonlySet<string> | null => {
    try {
      return namesOfSecrets(openConfig(ring, project))
    } catch {
      return null
    }
  }
  return (project, name) => {
    if (project.config === null) return false
    let names = known.get(project)
    if (names === undefined) known.set(project, names = namesOf(project))
    return names === null || names.has(name)
  }
}
