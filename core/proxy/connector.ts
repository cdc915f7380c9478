import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import type { buildConnector } from 'undici'
import { SHARED_READS } from '../lib/shared-reads.js'
import type { UpstreamTlsConfig } from '../route.js'
import { guardConnector, type EgressGuard } from './guarded-connector.js'

// The package's own entry loads fetch, WebSocket, caches and mocks as well: 3 MB of heap in every process, which forwards without them.
const require = createRequire(import.meta.url)
const createUndiciConnector = require('undici/lib/core/connect.js') as typeof buildConnector

/** Opens a connection, with TLS where that is asked for; calls back once, with an error or with the socket. */
export type Connect = (opened: (error: Error | null, socket: Socket | null) => void) => void

/** What a connection depends on. */
export interface ConnectorOptions {
  /** `http://host:port` without path. */
  readonly origin: string
  readonly connectMs: number
  readonly tls: UpstreamTlsConfig | null
  /** Where it may lead; null = anywhere. */
  readonly guard: EgressGuard | null
}

/**
 * How a pool connects: undici's connector, with its time limit, its cache of TLS sessions and both families of addresses at once. TLS verifies
 * the name of the target, or the one that is configured.
 */
export function createConnector ({ origin, connectMs, tls, guard }: ConnectorOptions): Connect {
  const anywhere = createUndiciConnector({
    timeout: connectMs, allowH2: false, onread: SHARED_READS, ...(guard === null ? {} : { lookup: guard.lookup }), ...tlsOptions(tls)
  } as buildConnector.BuildOptions)
  const connect = guard === null ? anywhere : guardConnector(anywhere, guard)
  const { protocol, host, hostname, port } = new URL(origin)
  const target = { protocol, host, hostname: hostname.replace(/^\[|\]$/g, ''), port }
  return (opened) => { connect(target, (error, socket) => { opened(error, socket ?? null) }) }
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
