import { createHash } from 'node:crypto'
import { lookup as lookupName } from 'node:dns'
import type { buildConnector } from 'undici'
import type { Egress } from '../lib/egress.js'
import type { UpstreamTlsConfig } from '../route.js'
import { createEgressGuard, guardConnector, type EgressGuard, type LookupAll } from './guarded-connector.js'
import { createUndiciConnector, Pool } from './undici-parts.js'
import { RESET } from './upstream-errors.js'

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
  readonly pool: Pool
  readonly origin: string
  /** Where its connections may lead; null = anywhere. */
  readonly guard: EgressGuard | null
  /**
   * Whether the request whose connection undici hands over at this moment is the first one on it: a loss of that connection is no
   * race with an idle one that the other side closed.
   */
  readonly isFresh: () => boolean
  release (): void
}

/** What one pool is doing, for metrics and status. */
export interface PoolStats {
  origin: string
  connected: number
  free: number
  running: number
  pending: number
}

interface Entry {
  pool: Pool
  isFresh: () => boolean
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
      const pool = createPool(options, guard)
      entry = { pool, isFresh: watchFreshness(pool), origin: options.origin, guard, users: 0, closing: null }
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
      isFresh: entry.isFresh,
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
      entry.pool.close().catch(() => {})
    }, LINGER_MS)
    entry.closing.unref()
  }

  /** What each pool is doing. */
  stats (): PoolStats[] {
    return [...this.entries.values()].map(({ origin, pool: { stats } }) => ({
      origin, connected: stats.connected, free: stats.free, running: stats.running, pending: stats.pending
    }))
  }

  /** Ends every connection at once. */
  async destroy (): Promise<void> {
    const all = [...this.entries.values()]
    this.entries.clear()
    for (const entry of all) if (entry.closing !== null) clearTimeout(entry.closing)
    await Promise.all(all.map((entry) => entry.pool.destroy().catch(() => {})))
  }
}

function poolKey (options: PoolOptions, guard: EgressGuard | null): string {
  const { tls } = options
  // Keys and certificates may be long and secret: the key of the map holds only their digest.
  const identity = tls === null ? '' : createHash('sha256').update(JSON.stringify(tls)).digest('base64url')
  return `${options.origin} ${options.connectMs} ${options.connections ?? ''} ${identity} ${guard?.egress.key ?? ''}`
}

function createPool (options: PoolOptions, guard: EgressGuard | null): Pool {
  return new Pool(options.origin, {
    connections: options.connections,
    // One request at a time on a connection: with pipelining a slow answer would hold up other clients behind it.
    pipelining: 1,
    // Time limits are the relay's: undici's own timers cost about 1 % and can not tell a slow client from a slow upstream.
    headersTimeout: 0,
    bodyTimeout: 0,
    keepAliveTimeout: 10_000,
    keepAliveMaxTimeout: 60_000,
    maxHeaderSize: 64 * 1024,
    connect: createConnector(options, guard)
  })
}

/**
 * How a pool connects. Some things are not undici's way: TLS verifies the name of the target (or the one that is configured), where
 * undici takes it from the Host field, which may be the client's; and a reset is an error for every answer, where undici takes it
 * for the end of one that has no other; and a connection whose request was given up is not replaced.
 */
function createConnector (options: PoolOptions, guard: EgressGuard | null): buildConnector.connector {
  // The socket reads 64 KB at once whatever this says; it is how much more may wait behind an answer whose client is slow.
  const anywhere = createUndiciConnector({
    highWaterMark: 16 * 1024, timeout: options.connectMs, allowH2: false, ...(guard === null ? {} : { lookup: guard.lookup }), ...tlsOptions(options.tls)
  } as buildConnector.BuildOptions)
  const connect = guard === null ? anywhere : guardConnector(anywhere, guard)
  return (target, callback) => {
    const { servername: _ofHostField, ...rest } = target
    connect(rest, (...result) => {
      if (result[0] === null) result[1].prependListener('error', renameError)
      callback(...result)
    })
  }
}

/** undici decides by these codes only: a reset, and a request that was given up, for which it would connect once more and send nothing. */
function renameError (error: NodeJS.ErrnoException): void {
  if (error.code === 'ECONNRESET') error.code = RESET
  else if (error.code === 'UND_ERR_INFO' && error.message === 'aborted') error.code = 'UPSTREAM_ABORTED'
}

/** undici tells of a connection and writes the request that waits for it in one go: what is asked in between is about that one. */
function watchFreshness (pool: Pool): () => boolean {
  let fresh = false
  const over = (): void => { fresh = false }
  pool.on('connect', () => {
    fresh = true
    queueMicrotask(over)
  })
  return () => {
    const first = fresh
    fresh = false
    return first
  }
}

/** Upstream TLS as `tls.connect` takes it; empty for null. */
export function tlsOptions (tls: UpstreamTlsConfig | null): { rejectUnauthorized?: boolean, ca?: string, cert?: string, key?: string, servername?: string } {
  if (tls === null) return {}
  return {
    rejectUnauthorized: tls.verify,
    ...(tls.ca === null ? {} : { ca: tls.ca }),
    ...(tls.cert === null ? {} : { cert: tls.cert }),
    ...(tls.key === null ? {} : { key: tls.key }),
    ...(tls.serverName === null ? {} : { servername: tls.serverName })
  }
}
