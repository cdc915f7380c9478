import type { BodyConsumer, BodySource, ConnectionInfo, GatewayRequest, ResponseSink, TunnelEnd } from './context.js'
import { HeaderList } from './lib/header-list.js'
import { normalizePath } from './lib/path.js'

/** A request that no socket brought. */
export interface MemoryRequestInit {
  method?: string
  /** Path and query. */
  target: string
  host?: string
  headers?: Readonly<Record<string, string>> | readonly (readonly [string, string])[]
  /** A list is sent chunked: piece by piece, without a Content-Length. */
  body?: string | Uint8Array | readonly (string | Uint8Array)[] | null
  remoteAddress?: string
  scheme?: 'http' | 'https'
}

/** Makes a request value from plain data: for subrequests, explain and tests. Throws TypeError for a target that is no valid path. */
export function createMemoryRequest (init: MemoryRequestInit): GatewayRequest {
  const mark = init.target.indexOf('?')
  const path = normalizePath(mark === -1 ? init.target : init.target.slice(0, mark), false)
  if (path === null) throw new TypeError(`"${init.target}" is not a valid request target`)
  const authority = init.host ?? 'localhost'
  const headers = new HeaderList([])
  const pairs = Array.isArray(init.headers) ? init.headers as readonly (readonly [string, string])[] : Object.entries(init.headers as Readonly<Record<string, string>> | undefined ?? {})
  for (const [name, value] of pairs) headers.append(name, value)
  if (!headers.has('host')) headers.append('host', authority)
  const remoteAddress = init.remoteAddress ?? '127.0.0.1'
  const connection: ConnectionInfo = { remoteAddress, remotePort: 0, localPort: 0, encrypted: init.scheme === 'https', serverName: null, trusted: false }
  const body = init.body === undefined || init.body === null ? null : new MemoryBody(init.body)
  const length = body?.length ?? null
  if (length !== null && !headers.has('content-length')) headers.append('content-length', String(length))
  return {
    method: (init.method ?? 'GET').toUpperCase(),
    rawTarget: init.target,
    path,
    query: mark === -1 ? '' : init.target.slice(mark + 1),
    host: authority.replace(/:\d+$/, '').toLowerCase(),
    authority,
    scheme: init.scheme ?? 'http',
    httpVersion: '1.1',
    headers,
    connection,
    clientAddress: remoteAddress,
    upgrade: null,
    body
  }
}

class MemoryBody implements BodySource {
  readonly length: number | null
  complete = false
  bytesRead = 0
  private readonly pieces: Buffer[]
  private abandoned = false

  constructor (body: NonNullable<MemoryRequestInit['body']>) {
    const whole = typeof body === 'string' || body instanceof Uint8Array
    this.pieces = (whole ? [body] : body).map((piece) => Buffer.from(piece as string)).filter((piece) => piece.length > 0)
    this.length = whole ? this.pieces.reduce((sum, piece) => sum + piece.length, 0) : null
  }

  start (consumer: BodyConsumer): void {
    const next = (): void => {
      if (this.abandoned) return
      const piece = this.pieces.shift()
      if (piece === undefined) {
        this.complete = true
        consumer.end()
        return
      }
      this.bytesRead += piece.length
      consumer.data(piece)
      setImmediate(next)
    }
    queueMicrotask(next)
  }

  pause (): void {}
  resume (): void {}

  abandon (): void {
    this.abandoned = true
    this.complete = true
  }
}

/** What a memory sink collected. */
export interface MemoryAnswer {
  readonly status: number
  readonly headers: HeaderList
  readonly body: Buffer
  readonly trailers: readonly string[] | null
  /** False when the answer broke off. */
  readonly complete: boolean
}

/** Collects an answer; `done` resolves with it. Refuses more than `maxBytes` by breaking the answer off. */
export class MemorySink implements ResponseSink {
  headSent = false
  closed = false
  bytesWritten = 0
  onDrain: (() => void) | null = null
  onClose: ((complete: boolean, unwritable: unknown) => void) | null = null
  readonly tunnel: ((reason: string, headers: string[]) => TunnelEnd) | null = null
  readonly done: Promise<MemoryAnswer>
  private readonly maxBytes: number
  private readonly pieces: Uint8Array[] = []
  private status = 0
  private headers: string[] = []
  private resolve: (answer: MemoryAnswer) => void = () => {}

  constructor (maxBytes = 64 * 1024 * 1024) {
    this.maxBytes = maxBytes
    this.done = new Promise((resolve) => { this.resolve = resolve })
  }

  inform (): void {}

  head (status: number, _reason: string, headers: string[]): void {
    this.headSent = true
    this.status = status
    this.headers = headers
  }

  /** What was written is what it keeps. */
  get flushed (): boolean { return false }

  write (chunk: Buffer): boolean {
    if (this.closed) return true
    this.bytesWritten += chunk.length
    if (this.bytesWritten > this.maxBytes) this.abort()
    else this.pieces.push(chunk)
    return true
  }

  end (trailers: readonly string[] | null): void { this.finish(true, trailers) }

  answer (status: number, headers: string[], body: Buffer | null, bodyless: boolean): void {
    this.head(status, '', headers)
    if (body !== null && !bodyless) this.write(body)
    this.finish(true, null)
  }

  abort (): void { this.finish(false, null) }

  private finish (complete: boolean, trailers: readonly string[] | null): void {
    if (this.closed) return
    this.closed = true
    // Like a socket's close: after whoever wrote has returned.
    queueMicrotask(() => {
      this.onClose?.(complete, null)
      this.resolve({ status: this.status, headers: new HeaderList(this.headers.slice()), body: Buffer.concat(this.pieces), trailers, complete })
    })
  }
}
