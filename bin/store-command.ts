import { ConfigError } from '../core/errors.js'
import type { GatewayConfig } from '../core/route.js'
import { openDocumentStore } from '../core/state/document-store.js'
import type { DocumentEngine } from '../core/state/document-engine.js'
import type { OpenStore } from '../core/state/store.js'
import { CommandError, runCommand } from './command.js'
import { loadForCommand } from './compile-config.js'
import { environmentOf } from './config-options.js'
import { openEngine } from './open-engine.js'
import type { Terminal } from './terminal.js'

/** What commands that open the store themselves are told. */
export interface StoreCommandFlags {
  readonly config: string
  readonly env?: string
  readonly json?: boolean
}

/** Opens the store that a configuration names, without a gateway, and closes it behind `act`; gives the exit code. `create`: it may be made, unless `first` rejects. */
export function runStoreCommand (
  terminal: Terminal, { config, env, json }: StoreCommandFlags, create: boolean, act: (open: OpenStore, place: string, state: GatewayConfig['state'], engine: DocumentEngine) => Promise<number>,
  first: () => Promise<void> = async () => {}
): Promise<number> {
  return runCommand(terminal, json === true, async () => {
    const { root: { state }, findings } = await loadForCommand(config, environmentOf(env), terminal.env)
    if (findings.length > 0) throw new ConfigError(findings)
    try {
      await first()
      const engine = await openEngine(state, { create })
      const open = openDocumentStore(engine)
      // The address of a database may hold a password.
      try { return await act(open, state.kind === 'embedded' ? state.path : 'mongodb', state, engine) } finally { await open.close() }
    } catch (error) {
      throw refusalOf(error) ?? error
    }
  })
}

function refusalOf (error: unknown): CommandError | null {
  if (!(error instanceof Error)) return null
  const remedy = { StoreUnavailableError: 'see state: in the configuration', StoreTooNewError: '', MigrationChangedError: '', DuplicateError: '', InvalidValueError: '', BackupError: '' }[error.name]
  return remedy === undefined ? null : new CommandError(error.message, remedy)
}
