import { GatewayError } from '../../core/errors.js'
import { createTurns } from '../../core/lib/turns.js'
import type { Project } from '../../core/state/records.js'
import { refusedConfig } from './shown-findings.js'
import type { StatePorts } from './state-ports.js'
import { underLease } from './under-lease.js'

// An account and a project have 200 each.
const MOST_SECRETS = 1_000

const inTurn = createTurns()

/**
 * Does what goes by which secrets the configurations of an account name: one after the other, on all nodes of a store. Removing a secret looks at the
 * configurations first, and keeping one that names it at the secrets; what each wrote the other must not have missed. Rejects with CONFLICT where others
 * do not come to an end.
 */
export async function holdSecretNames<T> ({ open: { engine, system } }: Pick<StatePorts, 'open'>, customerId: string, act: () => Promise<T>): Promise<T> {
  return await inTurn(customerId, async () => {
    // What is on one machine is written by one process.
    if (engine === 'embedded') return await act()
    const refusal = (): GatewayError => new GatewayError('CONFLICT', { message: 'Others change what names the secrets of this account: try again.', details: { reason: 'changed_too_often' } })
    return await underLease(system, `secret-names ${customerId}`, refusal, act)
  })
}

/**
 * Makes a change of a project's configuration. Where it names secrets that the configuration before does not, they are looked for once more, and stay until it
 * is made. Rejects with VALIDATION_ERROR where one is gone meanwhile.
 */
export async function whileSecretsStay<T> (state: StatePorts, before: Project | null, next: Project, act: () => Promise<T>): Promise<T> {
  const { configs, open: { store } } = state
  const { customer_id: customerId, project_id: projectId } = next
  const known = before === null ? new Set<string>() : configs.secretNames(before)
  const added = [...configs.secretNames(next)].filter((name) => !known.has(name))
  if (added.length === 0) return await act()
  return await holdSecretNames(state, customerId, async () => {
    const found = await Promise.all([projectId, null].map((id) => store.secrets.list(customerId, { filter: { project_id: { eq: id } }, limit: MOST_SECRETS })))
    const there = new Set(found.flat().map(({ name }) => name))
    const gone = added.filter((name) => !there.has(name))
    if (gone.length > 0) {
      throw refusedConfig('The configuration names secrets that were removed meanwhile.', gone.map((name) => ({ path: ['projects', projectId], message: `there is no secret "${name}" in this project or its account any more`, remedy: 'make it with POST /admin/secrets or `sluice secret create`' })))
    }
    return await act()
  })
}
