import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ConnectionInfo } from '../context.js'
import type { GatewayError } from '../errors.js'
import type { ClientBody } from './client-body.js'

/** Pipelining deeper than this is no client's. */
const MAX_WAITING = 256

/** A client's connection, remembered from its birth: a destroyed socket forgets its peer. */
export class Connection implements ConnectionInfo {
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly encrypted: boolean
  readonly serverName: string | null
  readonly trusted: boolean
  /** Refused: nothing that was pipelined behind is served. Node's parser goes on emitting requests that it has read already. */
  poisoned = false
  /** What the parser found wrong with the bytes behind the requests that it has emitted. */
  failure: GatewayError | null = null
  /** Whether a request is being answered. */
  busy = false
  /** The body of the request that is being answered. */
  body: ClientBody | null = null
  private waiting: (() => void)[] | null = null

  constructor (socket: Socket, isTrusted: (address: string) => boolean) {
    const address = socket.remoteAddress ?? ''
    this.remoteAddress = address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
    this.remotePort = socket.remotePort ?? 0
    this.localPort = socket.localPort ?? 0
    this.encrypted = 'encrypted' in socket
    const name = this.encrypted ? (socket as TLSSocket & { servername?: string | false }).servername : undefined
    this.serverName = typeof name === 'string' && name !== '' ? name.toLowerCase() : null
    this.trusted = isTrusted(this.remoteAddress)
  }

  /**
   * Keeps what has to wait for the answer that is under way: pipelined requests are served one after the other (RFC 9112 section 9.3.2),
   * so that one connection is one request to the upstreams, and a POST has happened before the GET behind it. False where too much waits already.
   */
  later (act: () => void): boolean {
    this.waiting ??= []
    return this.waiting.push(act) <= MAX_WAITING
  }

  /** The answer is out: whoever waited longest is next. */
  done (): void {
    this.busy = false
    this.body = null
    if (this.waiting !== null) this.waiting.shift()?.()
  }
}

const CONNECTION = Symbol('sluice.connection')

/** The connection behind a socket, made at its first request. */
export function connectionOf (socket: Socket, isTrusted: (address: string) => boolean): Connection {
  const holder = socket as Socket & { [CONNECTION]?: Connection }
  return holder[CONNECTION] ??= new Connection(socket, isTrusted)
}
