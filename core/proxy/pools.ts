import { createHash } from 'node:crypto'
import { lookup as lookupName } from 'node:dns'
import type { Egress } from '../lib/egress.js'
import type { UpstreamTlsConfig } from '../route.js'
import { ConnectionPool, type PoolCounts } from './connection-pool.js'
import { createConnector } from './connector.js'
import { createEgressGuard, type EgressGuard, type LookupAll } from './guarded-connector.js'

/** What makes two targets share a pool: everything that a connection depends on. */
export interface PoolOptions {
  /** `http://host:port` without path. */
  origin: string
  connectMs: number
  /** The most connections; null = as many as needed. */
  connections: number | null
  tls: UpstreamTlsConfig | null
}

/** Where pools come from. */
export interface Pools {
  /** The pool for these options, created at its first use. */
  acquire (options: PoolOptions): SharedPool
}

/** A pool in use. Whoever acquired it releases it once. */
export interface SharedPool {
  readonly pool: ConnectionPool
  readonly origin: string
  /** Where its connections may lead; null = anywhere. */
  readonly guard: EgressGuard | null
  release (): void
}

/** What one pool is doing, for metrics and status. */
export interface PoolStats extends PoolCounts {
  readonly origin: string
}

interface Entry {
  pool: ConnectionPool
  origin: string
  guard: EgressGuard | null
  users: number
  closing: NodeJS.Timeout | null
}

/** How long a pool without users keeps its connections, so that a reload that drops and brings back a target keeps them warm. */
const LINGER_MS = 5_000

/**
 * All connections to upstreams. Pools are shared between routes, projects and snapshots by what they connect to, so a reload
 * keeps warm connections.
 */
export class PoolRegistry implements Pools {
  private readonly entries = new Map<string, Entry>()
  private readonly lookup: LookupAll

  /** `lookup` resolves the names of guarded targets; left out, the system's resolver does. */
  constructor (lookup: LookupAll = lookupName) {
    this.lookup = lookup
  }

  acquire (options: PoolOptions): SharedPool {
    return this.share(options, null)
  }

  /** Pools for what tenants name: no connection of theirs leads where `egress` does not allow it, and none is shared with those that may. */
  guarded (egress: Egress): Pools {
    const guard = createEgressGuard(egress, this.lookup)
    return { acquire: (options) => this.share(options, guard) }
  }

  private share (options: PoolOptions, guard: EgressGuard | null): SharedPool {
    const key = poolKey(options, guard)
    let entry = this.entries.get(key)
    if (entry === undefined) {
      const pool = new ConnectionPool(createConnector({ ...options, guard }), options.connections)
      entry = { pool, origin: options.origin, guard, users: 0, closing: null }
      this.entries.set(key, entry)
    }
    if (entry.closing !== null) { clearTimeout(entry.closing); entry.closing = null }
    entry.users++
    const held = entry
    let released = false
    return {
      pool: entry.pool,
      origin: entry.origin,
      guard: entry.guard,
      release: () => {
        if (released) return
        released = true
        held.users--
        if (held.users === 0) this.linger(key, held)
      }
    }
  }

  private linger (key: string, entry: Entry): void {
    entry.closing = setTimeout(() => {
      this.entries.delete(key)
      entry.pool.close()
    }, LINGER_MS)
    entry.closing.unref()
  }

  /** What each pool is doing. */
  stats (): PoolStats[] {
    return [...this.entries.values()].map(({ origin, pool }) => ({ origin, ...pool.stats }))
  }

  /** Ends every connection at once. */
  destroy (): void {
    for (const entry of this.entries.values()) {
      if (entry.closing !== null) clearTimeout(entry.closing)
      entry.pool.destroy()
    }
    this.entries.clear()
  }
}

function poolKey (options: PoolOptions, guard: EgressGuard | null): string {
  const { tls } = options
  // Keys and certificates may be long and secret: the key of the map holds only their digest.
  const identity = tls === null ? '' : createHash('sha256').update(JSON.stringify(tls)).digest('base64url')
  return `${options.origin} ${options.connectMs} ${options.connections ?? ''} ${identity} ${guard?.egress.key ?? ''}`
}
