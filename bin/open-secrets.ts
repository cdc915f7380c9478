import type { ProjectSecrets } from '../core/config/project-secrets.js'
import type { KeyRing } from '../core/state/key-ring.js'
import type { Secret } from '../core/state/records.js'

/** What is needed of a secret to open it. */
export type SealedSecret = Pick<Secret, 'customer_id' | 'project_id' | 'name' | 'value'>

/** The secrets that a project can name, opened when they are asked for: its own go before those of its account. */
export function openSecrets (ring: Pick<KeyRing, 'open'>, list: () => readonly SealedSecret[]): ProjectSecrets {
  return {
    names: () => list().map(({ name }) => name),
    open (wanted) {
      const found = list().filter(({ name }) => name === wanted)
      const secret = found.find(({ project_id: projectId }) => projectId !== null) ?? found[0]
      return secret === undefined ? null : ring.open(secret.customer_id, { collection: 'secrets', field: 'value' }, secret.value)
    }
  }
}
