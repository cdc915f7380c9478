import type { GatewayConfig } from '../../core/route.js'
import { KEYS_VARIABLE, type KeyRingPlaces } from '../../core/state/key-ring-source.js'
import { KeyRingTextError } from '../../core/state/key-ring-text.js'
import { CommandError } from '../command.js'
import type { Terminal } from '../terminal.js'

/** Where the key ring of a store is. */
export function keyRingPlaces ({ kind, keyRing }: GatewayConfig['state'], env: Terminal['env']): KeyRingPlaces {
  return { text: env[KEYS_VARIABLE], file: keyRing, make: kind === 'embedded' }
}

/** Does what a command does with a ring; what is wrong with that is its refusal. */
export async function withRingRefusals<T> (act: () => T | Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof KeyRingTextError) throw new CommandError(error.problem, error.remedy)
    throw error
  }
}
