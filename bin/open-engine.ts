import type { GatewayConfig } from '../core/route.js'
import type { DocumentEngine } from '../core/state/document-engine.js'
import { openDocumentStore } from '../core/state/document-store.js'
import { migrate, type MigrateOptions } from '../core/state/migrate.js'

/**
 * Opens the engine that a configuration names; its driver is loaded only here. `create` false: an embedded store that is not there is not made.
 * `thread`: an embedded one works in a thread of its own, as it has to where requests are served. Rejects with StoreUnavailableError and
 * StoreTooNewError.
 */
export async function openEngine (state: GatewayConfig['state'], { create = true, thread = false }: { create?: boolean, thread?: boolean } = {}): Promise<DocumentEngine> {
  if (state.kind === 'embedded' && thread) return await (await import('../core/state/sqlite-thread.js')).openSqliteThread({ path: state.path, create })
  if (state.kind === 'embedded') return await (await import('../core/state/sqlite-engine.js')).openSqliteEngine({ path: state.path, create })
  return await (await import('../core/state/mongodb-engine.js')).openMongoEngine(state)
}

/** Opens the engine and brings the store up to this version, as every process does that serves it. Rejects with MigrationChangedError too. */
export async function openMigratedEngine (state: GatewayConfig['state'], { create, ...options }: MigrateOptions & { readonly create?: boolean } = {}): Promise<DocumentEngine> {
  const engine = await openEngine(state, { thread: true, create })
  try {
    await migrate(openDocumentStore(engine), options)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}
