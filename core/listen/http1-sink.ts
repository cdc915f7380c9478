import type { ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { ResponseSink, TunnelEnd } from '../context.js'
import { REASON } from './answer-text.js'
import { type ClientBody, endsConnection, leavesMuch } from './client-body.js'
import type { Connection } from './connection.js'
import { endGently } from './end-gently.js'
import { flushThisTurn } from './flush-turn.js'
import type { UpgradeSocket } from './http1-upgrade.js'
import type { SinkState } from './sink-state.js'

/** Writes an answer to an HTTP/1 connection. */
export class Http1Sink implements ResponseSink {
  headSent = false
  closed = false
  bytesWritten = 0
  onDrain: (() => void) | null = null
  onClose: ((complete: boolean, unwritable: unknown) => void) | null = null
  tunnel: ((reason: string, headers: string[]) => TunnelEnd) | null = null

  private readonly res: ServerResponse
  private readonly body: ClientBody | null
  private readonly state: SinkState
  private readonly connection: Connection
  private unflushed = false
  private draining = false
  private unwritable: unknown = null
  private limited = false

  constructor (res: ServerResponse, body: ClientBody | null, state: SinkState, connection: Connection) {
    this.res = res
    this.body = body
    this.state = state
    this.connection = connection
    res.on('close', this.closing)
  }

  private readonly closing = (): void => {
    if (this.closed) return
    this.closed = true
    if (this.body !== null && !this.body.complete) this.body.abandon()
    // To Node an answer is finished, too, when its connection was destroyed with the rest of it inside.
    this.onClose?.(this.res.writableFinished && !(this.limited && this.res.req.socket.destroyed), this.unwritable)
    this.connection.done()
    if (this.limited) this.unlimit()
  }

  /** The request may tunnel: once 101 is sent the connection is no longer HTTP's. */
  allowTunnel (upgrade: UpgradeSocket): void {
    this.tunnel = (reason, headers) => {
      const { socket } = upgrade
      this.headSent = true
      this.tunnel = null
      let text = `HTTP/1.1 101 ${reason === '' || !REASON.test(reason) ? 'Switching Protocols' : reason}\r\n`
      for (let i = 0; i < headers.length; i += 2) text += `${headers[i] as string}: ${headers[i + 1] as string}\r\n`
      this.res.off('close', this.closing)
      const head = upgrade.release()
      socket.write(`${text}\r\n`, 'latin1')
      socket.once('close', () => {
        if (this.closed) return
        this.closed = true
        this.onClose?.(true, null)
      })
      return { socket, head }
    }
  }

  inform (status: number, headers: readonly string[]): void {
    if (this.headSent || this.closed || this.res.req.httpVersionMinor === 0) return
    if (status === 102) { this.res.writeProcessing(); return }
    // Node can write no other interim answer; 103 without Link says nothing.
    if (status !== 103) return
    const links: string[] = []
    const others: Record<string, string | string[]> = {}
    for (let i = 0; i < headers.length; i += 2) {
      if (headers[i] === 'link') links.push(headers[i + 1] as string)
      else others[headers[i] as string] = headers[i + 1] as string
    }
    if (links.length === 0) return
    try {
      this.res.writeEarlyHints({ ...others, link: links })
    } catch {
      // A Link that Node finds malformed: hints may be left out.
    }
  }

  head (status: number, reason: string, headers: string[]): void {
    this.headSent = true
    if (this.closed) return
    if (this.mustClose()) headers.push('connection', 'close')
    if (!this.writeHead(status, reason, headers)) return
    this.unflushed = true
    flushThisTurn(this)
  }

  /**
   * Gives Node the head, which sends it with what comes first. It refuses what it can not write; steps and upstreams are checked before they
   * come here, so whatever is left is a bug, and costs this one connection: a throw would come out of an immediate, where nobody catches it.
   */
  private writeHead (status: number, reason: string, headers: string[]): boolean {
    for (let i = 0; i < headers.length; i += 2) if (headers[i] === 'date') this.res.sendDate = false
    try {
      if (reason === '' || !REASON.test(reason)) this.res.writeHead(status, headers)
      else this.res.writeHead(status, reason, headers)
      return true
    } catch (error) {
      this.unwritable = error
      this.abort()
      return false
    }
  }

  flush (): void {
    if (!this.unflushed || this.closed) return
    this.unflushed = false
    this.res.flushHeaders()
  }

  get flushed (): boolean { return this.res.writableLength === 0 }

  write (chunk: Buffer): boolean {
    if (this.closed) return true
    this.bytesWritten += chunk.length
    this.unflushed = false
    if (this.res.write(chunk)) return true
    if (!this.draining) {
      this.draining = true
      this.res.once('drain', () => { this.draining = false; this.onDrain?.() })
    }
    return false
  }

  end (trailers: readonly string[] | null): void {
    if (this.closed) return
    this.unflushed = false
    if (trailers !== null) {
      const pairs: [string, string][] = []
      for (let i = 0; i < trailers.length; i += 2) pairs.push([trailers[i] as string, trailers[i + 1] as string])
      this.res.addTrailers(pairs)
    }
    this.res.end()
    this.limitRest()
  }

  answer (status: number, headers: string[], body: Buffer | null, bodyless: boolean): void {
    this.headSent = true
    if (this.closed) return
    const { res } = this
    const unread = this.body !== null && leavesMuch(this.body)
    if (unread || this.mustClose()) headers.push('connection', 'close')
    if (unread) res.req.socket.destroySoon = endGently
    if (!this.writeHead(status, '', headers)) return
    if (bodyless || body === null) res.end()
    else {
      this.bytesWritten = body.length
      res.end(body)
    }
    this.limitRest()
  }

  /** While an answer comes from its upstream the relay watches a client that takes nothing; here it is what is left behind the last byte. */
  private limitRest (): void {
    const { socket } = this.res
    if (socket === null || socket.writableLength === 0) return
    this.limited = true
    socket.setTimeout(this.state.stallMs())
  }

  /** Node sets its own limit on a connection that falls idle, and none where a pipelined request is up next. */
  private unlimit (): void {
    const { socket } = this.res.req as { socket: Socket & { _httpMessage?: unknown } }
    if (socket._httpMessage !== undefined && socket._httpMessage !== null) socket.setTimeout(0)
  }

  private mustClose (): boolean {
    return this.state.draining || endsConnection(this.body)
  }

  abort (): void {
    this.unflushed = false
    const { res } = this
    const { socket } = res
    // To HTTP/1.0 the end of the connection is the end of the answer: only a reset tells that this was not all of it. (A TLS connection
    // that ends without a word of goodbye tells the same.)
    if (res.req.httpVersionMinor === 0 && socket !== null && !('encrypted' in socket)) socket.resetAndDestroy()
    res.destroy()
  }
}
