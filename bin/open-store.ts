import { existsSync } from 'node:fs'
import type { Logger } from '../core/host.js'
import { createStoreMetrics, type StoreMetrics } from '../core/observe/store-metrics.js'
import type { GatewayConfig } from '../core/route.js'
import type { DocumentEngine } from '../core/state/document-engine.js'
import { openDocumentStore } from '../core/state/document-store.js'
import { checkKeyRing, WrongKeyRingError } from '../core/state/key-ring-check.js'
import type { KeyRing } from '../core/state/key-ring.js'
import { KeyRingTextError } from '../core/state/key-ring-text.js'
import { loadKeyRing } from '../core/state/key-ring-source.js'
import { observeEngine } from '../core/state/observed-engine.js'
import { createReopeningEngine } from '../core/state/reopening-engine.js'
import type { OpenStore } from '../core/state/store.js'
import { MigrationChangedError, StoreTooNewError, StoreUnavailableError } from '../core/state/store-errors.js'
import { openMigratedEngine } from './open-engine.js'
import { createSlowStoreLog, SLOW_STORE_MS } from './slow-store-log.js'

/** The store of a process with the keys of what is secret in it. Whoever opened it closes `open`. */
export interface NodeStore {
  readonly open: OpenStore
  /** What `open` is made of. */
  readonly engine: DocumentEngine
  readonly ring: KeyRing
  /** What is counted of its calls; null = another thread counts them. */
  readonly metrics: StoreMetrics | null
}

/** What a process opens its store with. */
export interface OpenStoreOptions {
  readonly state: GatewayConfig['state']
  /** What `SLUICE_KEYS` holds. */
  readonly keys: string | undefined
  readonly log: Logger
  /** The key ring, where it is loaded already; null = there can be none. */
  readonly ring?: KeyRing | null | undefined
}

/** How long a start waits to be told that a store must not be used at all. One that only comes later is no reason to keep requests waiting. */
const START_MS = 3_000

/**
 * Opens the store that the configuration names, made where it is embedded and not there yet. One that does not answer is no reason not to
 * start: calls reject until it does. Null, which is logged, where nothing can be kept at all: an embedded store whose folder can not be
 * written. Rejects with the remedy where something must be mended first: a key ring that is missing, not private or not the store's, and a
 * store that a newer version wrote.
 */
export async function openStore (options: OpenStoreOptions): Promise<NodeStore | null> {
  const { state, log } = options
  const ring = options.ring === undefined ? loadStoreRing(options) : options.ring
  if (ring === null) return null
  const reopening = createReopeningEngine(state.kind, (again) => openOwnEngine(state, ring, again), () => { log.info({ store: state.kind }, 'the store is open') })
  const metrics = createStoreMetrics(reopening.pool ?? null)
  const engine = observeEngine(reopening, {
    call: ({ operation, collection, outcome, durationMs }) => { metrics.observe(operation, collection ?? '', outcome, durationMs) },
    slow: createSlowStoreLog(log),
    slowMs: SLOW_STORE_MS
  })
  const open = openDocumentStore(engine)
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(() => {
      log.warn({ store: state.kind, waitedMs: START_MS }, 'the store has not answered yet; it is waited for')
      resolve()
    }, START_MS)
  })
  const answer = engine.ping()
  answer.catch(() => {})
  try {
    await Promise.race([answer, late])
  } catch (error) {
    const failure = error instanceof StoreUnavailableError && (error.cause instanceof StoreTooNewError || error.cause instanceof MigrationChangedError || error.cause instanceof WrongKeyRingError) ? error.cause : error
    if (!(failure instanceof StoreUnavailableError)) {
      await engine.close()
      throw failure instanceof WrongKeyRingError ? new Error(`${failure.message} (${failure.remedy})`) : failure
    }
    log.warn({ store: state.kind, error: failure.message }, 'the store does not answer; it is tried again')
  } finally {
    clearTimeout(timer)
  }
  return { open, engine, ring, metrics }
}

/** Opens the engine, each time that it was away: what comes back may be another store than the one that this ring belongs to. */
async function openOwnEngine (state: GatewayConfig['state'], ring: KeyRing, again: boolean): Promise<DocumentEngine> {
  // Where one was and is not any more, an empty one is no store that could be served. A ring that is not the store's must seal nothing in it.
  const engine = await openMigratedEngine(state, { create: !again, ring: async (system) => { await checkKeyRing(system, ring); return ring } })
  try {
    await checkKeyRing(openDocumentStore(engine).system, ring)
    return engine
  } catch (error) {
    await engine.close()
    throw error
  }
}

/** Loads the key ring of a store, made beside an embedded one where it is not there yet. Null, which is logged, where nothing can be kept at all. Throws with the remedy. */
export function loadStoreRing ({ state, keys, log }: OpenStoreOptions): KeyRing | null {
  try {
    const { ring, source, created } = loadKeyRing({
      text: keys, file: state.keyRing, make: state.kind === 'embedded',
      onProblem: (error) => { log.error({ error: error.message }, 'the key ring can not be read again; the keys of before are used') }
    })
    if (created) log.info({ file: source }, 'a key ring was made; keep a copy of it with your backups')
    return ring
  } catch (error) {
    // One that is there and can not be used is to be mended first: without it what was sealed stays closed.
    if (!(error instanceof KeyRingTextError) || state.kind !== 'embedded' || existsSync(state.keyRing)) throw error
    log.warn({ error: error.message }, 'there is no store: its folder can not be written; what files declare is served')
    return null
  }
}
