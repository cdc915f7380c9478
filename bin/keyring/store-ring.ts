import type { GatewayConfig } from '../../core/route.js'
import { checkKeyRing } from '../../core/state/key-ring-check.js'
import type { MigrateOptions } from '../../core/state/migrate.js'
import type { Terminal } from '../terminal.js'
import { loadExistingRing, withRingRefusals } from './places.js'

/** Gives a migration the ring that belongs to a store, when it asks for it. Rejects with CommandError where there is none, or another's. */
export function storeRing (state: GatewayConfig['state'], env: Terminal['env']): NonNullable<MigrateOptions['ring']> {
  return (system) => withRingRefusals(async () => {
    const { ring } = loadExistingRing(state, env)
    await checkKeyRing(system, ring)
    return ring
  })
}
