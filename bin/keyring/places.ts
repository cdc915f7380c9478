import { existsSync } from 'node:fs'
import { ConfigError } from '../../core/errors.js'
import type { GatewayConfig } from '../../core/route.js'
import { WrongKeyRingError } from '../../core/state/key-ring-check.js'
import { KEYS_VARIABLE, loadKeyRing, type LoadedKeyRing } from '../../core/state/key-ring-source.js'
import { KeyRingTextError } from '../../core/state/key-ring-text.js'
import { CommandError } from '../command.js'
import { loadForCommand } from '../compile-config.js'
import { environmentOf } from '../config-options.js'
import type { Terminal } from '../terminal.js'

/** What every command of `sluice keyring` is told. */
export interface KeyringFlags {
  readonly config: string
  readonly env?: string
  readonly json?: boolean
}

/** What the configuration says of the store. Throws ConfigError with all that is wrong with it. */
export async function loadState ({ config, env }: KeyringFlags, terminal: Terminal): Promise<GatewayConfig['state']> {
  const { root, findings } = await loadForCommand(config, environmentOf(env), terminal.env)
  if (findings.length > 0) throw new ConfigError(findings)
  return root.state
}

/** The ring of a store that there has to be. Throws CommandError. */
export function loadExistingRing ({ kind, keyRing: file }: GatewayConfig['state'], env: Terminal['env']): LoadedKeyRing {
  const text = env[KEYS_VARIABLE]
  if (kind === 'embedded' && (text ?? '') === '' && !existsSync(file)) throw new CommandError(`there is no key ring in ${file} yet`, 'the gateway makes it when it starts, or `sluice keyring new` does')
  return loadKeyRing({ text, file, make: false })
}

/** Does what a command does with a ring; what is wrong with that is its refusal. */
export async function withRingRefusals<T> (act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    if (error instanceof KeyRingTextError) throw new CommandError(error.problem, error.remedy)
    if (error instanceof WrongKeyRingError) throw new CommandError(error.message, error.remedy)
    throw error
  }
}
