import type { GatewayConfig } from '../core/route.js'
import type { RingKeys } from '../core/state/key-ring.js'
import { migrationStatus } from '../core/state/migrate.js'
import { StoreUnavailableError } from '../core/state/store-errors.js'
import type { DirectoryView, RingKeyIds, SystemView } from '../routes/admin/system-view.js'
import type { NodeStatus } from './fleet.js'
import type { NodeStore } from './open-store.js'

/** What the admin port knows of the gateway: what `/status` shows. */
export type ShownStatus = Pick<SystemView, 'version' | 'node' | 'pid' | 'ready' | 'uptimeSeconds' | 'listeners' | 'workers'> & {
  readonly config: { readonly file: string, readonly environment: string | null }
  readonly lastReload: object | null
}

/** What a view of the gateway is made of. */
export interface SystemSources {
  readonly status: ShownStatus
  readonly workers: readonly NodeStatus[]
  /** Whether the store answers, as `/status` shows it. */
  readonly health: object
  readonly store: NodeStore
  readonly root: GatewayConfig
}

const ANSWER_MS = 800

/** Gathers what operators see of the gateway as a whole. What the store can not tell now is null. */
export async function systemView ({ status, workers, health, store: { open, ring }, root }: SystemSources): Promise<SystemView> {
  const { lastReload, config, ...shown } = status
  const { encryption, peppers } = ring.content()
  const [newest, format] = await Promise.all([answered(open.system.latestSeq()), answered(migrationStatus(open.system))])
  return {
    version: shown.version, node: shown.node, pid: shown.pid, ready: shown.ready,
    startedAt: new Date(Date.now() - shown.uptimeSeconds * 1_000).toISOString(),
    uptimeSeconds: shown.uptimeSeconds,
    config: { ...config, lastReload },
    listeners: shown.listeners,
    workers: shown.workers,
    store: {
      ...health,
      format: format === null
        ? null
        : { version: format.version, known: format.known, applied: format.applied.map(({ version, name, applied_at: appliedAt }) => ({ version, name, appliedAt })), pending: format.pending.map(({ version, name }) => ({ version, name })) }
    },
    directory: directoryView(workers, newest),
    keyRing: { encryption: idsOf(encryption), peppers: idsOf(peppers) },
    limits: { listen: root.listen.limits, workers: root.workers, stopMs: root.stopMs }
  }
}

/** The worker whose view is the oldest speaks for all. */
function directoryView (workers: readonly NodeStatus[], newest: number | null): DirectoryView | null {
  const views = workers.flatMap(({ store }) => store === null ? [] : [store])
  const [oldest] = views.sort((a, b) => (a.asOf ?? 0) - (b.asOf ?? 0))
  if (oldest === undefined) return null
  const { state, asOf, seq, holds } = oldest
  return {
    state, holds,
    asOf: asOf === null ? null : new Date(asOf).toISOString(),
    ageMs: asOf === null ? null : Math.max(0, Date.now() - asOf),
    changesBehind: newest === null || seq === null ? null : Math.max(0, newest - seq)
  }
}

function idsOf ({ active, keys }: RingKeys): RingKeyIds {
  return { active, keys: keys.map(({ id, createdAt }) => ({ id, createdAt })) }
}

/** Null where the store does not answer, or not soon: what follows it waits longer than whoever looks at this. */
async function answered<T> (asked: Promise<T>): Promise<T | null> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<null>((resolve) => { timer = setTimeout(resolve, ANSWER_MS, null) })
  try {
    return await Promise.race([asked, late])
  } catch (error) {
    if (error instanceof StoreUnavailableError) return null
    throw error
  } finally {
    clearTimeout(timer)
  }
}
