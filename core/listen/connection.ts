import type { Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { ConnectionInfo } from '../context.js'

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
}

const CONNECTION = Symbol('sluice.connection')

/** The connection behind a socket, made at its first request. */
export function connectionOf (socket: Socket, isTrusted: (address: string) => boolean): Connection {
  const holder = socket as Socket & { [CONNECTION]?: Connection }
  return holder[CONNECTION] ??= new Connection(socket, isTrusted)
}
