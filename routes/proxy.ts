import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import { createServer as createTlsServer, type Server as TlsServer } from 'node:https'
import { Server as NetServer, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import Fastify, { type FastifyInstance } from 'fastify'
import { attachListener, serverOptions, type Listener, type ListenerTarget } from '../core/listen/http1-listener.js'
import type { TlsContext } from '../core/listen/tls-context.js'

/** Where a data port listens. */
export interface DataPortOptions {
  readonly host: string
  readonly port: number
  /** TLS of the listener; null = plain HTTP. */
  readonly tls: TlsContext | null
  readonly metrics: { connection (delta: number): void }
}

/** A data port in service. */
export interface DataPort {
  readonly url: string
  readonly port: number
  /** The Fastify instance that serves the gateway's own routes here. */
  readonly own: FastifyInstance
  /** Uses the certificates that the TLS context has loaded meanwhile, for new connections. */
  renewTls (): void
  /** Takes over the limits that a running server can: how long the head of a request and an idle connection may take. */
  setLimits (limits: { readonly headersMs: number, readonly keepAliveMs: number }): void
  /**
   * Takes no new connections, and lets each answer close its own. Resolves when there are none left, or when `idleMs` have passed and those
   * that were idle all the time are ended: a request that is just on its way on one is still answered.
   */
  drain (idleMs: number): Promise<void>
  /** Resolves when, after `drain`, the last connection has ended; at the latest after `timeoutMs`. */
  ended (timeoutMs: number): Promise<void>
  /** Ends what is left. */
  close (): Promise<void>
}

/**
 * Opens the data port. Fastify owns the server, but the listener's requests reach the data path first, as the raw pair; only what is
 * the gateway's own goes on to Fastify. Fastify's router is frozen once it listens, so proxied routes are never Fastify routes.
 */
export async function openDataPort (target: ListenerTarget, options: DataPortOptions, register: (own: FastifyInstance) => void): Promise<DataPort> {
  let listener: Listener | null = null
  let server: Server | TlsServer | null = null
  const own = Fastify({
    logger: false,
    keepAliveTimeout: target.policy.limits.keepAliveMs,
    serverFactory: (handler) => {
      const settings = serverOptions(target.policy)
      server = options.tls === null ? createServer(settings) : createTlsServer({ ...settings, handshakeTimeout: target.policy.limits.headersMs, ...options.tls.serverOptions() })
      listener = attachListener(server as Server, target, handler)
      return server as Server
    }
  })
  register(own)
  await own.ready()
  const live = server as unknown as Server
  // Fastify answers parser errors too, in its own shape; there is one answer, and it is the listener's.
  const handlers = live.listeners('clientError')
  for (const handler of handlers.slice(1)) live.off('clientError', handler as () => void)
  live.on('connection', (socket) => {
    options.metrics.connection(1)
    socket.once('close', () => { options.metrics.connection(-1) })
  })
  await own.listen({ host: options.host, port: options.port })
  let closed: Promise<unknown> = Promise.resolve()
  const endedWithin = async (timeoutMs: number): Promise<void> => {
    const timer = new AbortController()
    await Promise.race([closed, delay(timeoutMs, undefined, { signal: timer.signal }).catch(() => {})])
    timer.abort()
  }
  const { port } = live.address() as AddressInfo
  const host = options.host.includes(':') ? `[${options.host}]` : options.host
  return {
    url: `${options.tls === null ? 'http' : 'https'}://${host}:${port}`,
    port,
    own,
    renewTls () {
      if (options.tls !== null) (live as TlsServer).setSecureContext(options.tls.serverOptions())
    },
    setLimits ({ headersMs, keepAliveMs }) {
      live.headersTimeout = headersMs
      live.keepAliveTimeout = keepAliveMs
      listener?.setKeepAlive(keepAliveMs)
    },
    async drain (idleMs) {
      listener?.drain()
      closed = once(live, 'close')
      // Not HTTP's own way to close: that ends idle connections at once.
      NetServer.prototype.close.call(live)
      await endedWithin(idleMs)
      listener?.closeIdle()
    },
    async ended (timeoutMs) {
      listener?.closeIdle()
      await endedWithin(timeoutMs)
    },
    async close () {
      listener?.closeAll()
      await own.close()
    }
  }
}
