import { ConfigError } from '../../core/errors.js'
import type { GatewayConfig } from '../../core/route.js'
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
export async function stateOf ({ config, env }: KeyringFlags, terminal: Terminal): Promise<GatewayConfig['state']> {
  const { root, findings } = await loadForCommand(config, environmentOf(env), terminal.env)
  if (findings.length > 0) throw new ConfigError(findings)
  return root.state
}
