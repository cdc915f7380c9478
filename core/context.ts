/**
 * What a step sees of one request. `GatewayRequest` and `ResponseSink` are the two shapes between which the data path works:
 * HTTP/1 sockets, internal subrequests, tests and, later, HTTP/2 streams are pairs of them.
 */
import type { Duplex } from 'node:stream'
import type { GatewayError } from './errors.js'
import type { HeaderList } from './lib/header-list.js'
import type { RouteInfo } from './route.js'

/** Who calls, once an authenticating plugin has found out. */
export interface Consumer {
  readonly id: string
  readonly name?: string
  readonly plan?: string
  readonly [claim: string]: unknown
}

/** By what a consumer has shown who it is; never the secret itself. */
export interface Credential {
  readonly id: string
  readonly kind: 'api_key'
  /** Limits of its own, as the configuration language writes them (`requests: 1000/h`); null = it has none. */
  readonly limits: Readonly<Record<string, string>> | null
  /** Milliseconds since 1970; null = never. */
  readonly expiresAt: number | null
}

/** Limits with a name, which a consumer has for the project. */
export interface Plan {
  readonly id: string
  readonly name: string
  /** As the configuration language writes them (`requests: 1000/h`). */
  readonly limits: Readonly<Record<string, string>>
}

/**
 * Typed values that plugins hand to each other: `provides` fills, `requires` reads. Plugins add theirs by declaration merging:
 * `declare module 'sluice' { interface Slots { session: Session } }`.
 */
export interface Slots {
  consumer: Consumer
  credential: Credential
  /** Null = the consumer has none. */
  plan: Plan | null
}

/** The name of a slot. */
export type SlotName = keyof Slots & string

/** One transport connection, as the data path knows it from birth (a destroyed socket forgets its peer). */
export interface ConnectionInfo {
  /** The peer, IPv4-mapped addresses as plain IPv4. */
  readonly remoteAddress: string
  readonly remotePort: number
  readonly localPort: number
  readonly encrypted: boolean
  /** The name that the TLS client asked for. */
  readonly serverName: string | null
  /** Whether the peer is one of `listen.trustedProxies`. */
  readonly trusted: boolean
}

/** Receives a request body piece by piece. */
export interface BodyConsumer {
  /** One piece; false asks the source to pause until `resume`. */
  data (chunk: Buffer): boolean
  end (): void
  /** The body broke off: the client went, was too slow, or sent an invalid chunk. */
  error (error: GatewayError): void
}

/** A request body that nobody has read yet. Pulling begins with `start`; only then is `Expect: 100-continue` answered. */
export interface BodySource {
  /** The declared Content-Length, or null when it is chunked. */
  readonly length: number | null
  /** Whether all of it has been read. */
  readonly complete: boolean
  readonly bytesRead: number
  start (consumer: BodyConsumer): void
  pause (): void
  resume (): void
  /** Nobody wants the rest: it is drained within a bound, or the connection closes behind the answer. */
  abandon (): void
}

/** A request as it came in, in its one normal form. Nothing here changes after birth. */
export interface GatewayRequest {
  readonly method: string
  /** The request target as it was sent. For display: match and decide on `path`. */
  readonly rawTarget: string
  /** The path in its normal form: what is matched, what plugins see, what is forwarded. */
  readonly path: string
  /** The query without `?`, byte for byte; `''` when there is none. */
  readonly query: string
  /** Lower-case host name without port. */
  readonly host: string
  /** The Host field as sent. */
  readonly authority: string
  readonly scheme: 'http' | 'https'
  readonly httpVersion: '1.0' | '1.1' | '2.0'
  /** Without hop-by-hop fields, identity headers and names with underscores. */
  readonly headers: HeaderList
  readonly connection: ConnectionInfo
  /** The client's address: the peer, or what a trusted peer says. */
  readonly clientAddress: string
  /** The lower-case Upgrade token of a request that may tunnel, else null. */
  readonly upgrade: string | null
  /** Null when the request has no body. */
  readonly body: BodySource | null
}

/** The client's side of a connection that has become a tunnel. */
export interface TunnelEnd {
  readonly socket: Duplex
  /** Bytes that came behind the request already. */
  readonly head: Buffer
}

/** Takes an answer. Head once, then writes, then end; or abort at any time. */
export interface ResponseSink {
  readonly headSent: boolean
  /** Whether the client has gone or the answer is complete. */
  readonly closed: boolean
  readonly bytesWritten: number
  /** Called when `write` may go on after it returned false. */
  onDrain: (() => void) | null
  /** Called once: after the last byte, or when the client went (`complete` false). `unwritable`: why the head could not be written, or null. */
  onClose: ((complete: boolean, unwritable: unknown) => void) | null
  /** Non-null when the connection may become a tunnel: sends the 101 and hands over the connection with what came behind the request. */
  readonly tunnel: ((reason: string, headers: string[]) => TunnelEnd) | null
  /** An interim answer (1xx but 101). Dropped where the client can not take it. */
  inform (status: number, headers: readonly string[]): void
  /** Final status and fields (flat, lower-case). `bodyless`: nothing follows, whatever Content-Length says (HEAD, 204, 304). */
  head (status: number, reason: string, headers: string[], bodyless: boolean): void
  /** Returns false when the client is slower: wait for onDrain. */
  write (chunk: Buffer): boolean
  /** Whether all that was written has left, so that nobody holds its chunks. */
  readonly flushed: boolean
  /** Trailers flat, or null. */
  end (trailers: readonly string[] | null): void
  /** Head, whole body and end in one. */
  answer (status: number, headers: string[], body: Buffer | null, bodyless: boolean): void
  /** Breaks the answer off, so that the client can not take it for a whole one. */
  abort (): void
}

/** What is about to be sent upstream. A copy of the request's fields: changing it leaves `ctx.request` as it was. */
export interface Forward {
  /** `http://host:port` to use instead of the route's upstream; null = the upstream's next target. */
  target: string | null
  method: string
  path: string
  query: string
  readonly headers: HeaderList
  /**
   * Set to send this instead of the client's body; null = none; undefined = the client's. Content-Length follows; Content-Encoding, Digest
   * and the like are dropped: set your own after it.
   */
  body: string | Uint8Array | null | undefined
  /** Sends the body through a transform. Needs `body: { request: 'stream' }`; several chain in the order in which they were added. */
  transform (stream: Duplex): void
}

/** The answer before its head is sent: an upstream's, a Reply's or an error's. */
export interface ResponseDraft {
  /** Of HEAD, 204 and 304 too. Setting one that is not final (below 200) throws TypeError. */
  status: number
  readonly headers: HeaderList
  /** Where it came from. */
  readonly source: 'upstream' | 'reply' | 'error'
  /**
   * The whole body, where a step of the route declares `{ buffer }` or the answer is a Reply; else null: it streams, or there is none
   * (HEAD, 204, 304). Set to null it becomes an empty one. Setting it drops Content-Length (computed anew), Content-Encoding, ETag and digests: set your own after it.
   * Where there is none only that happens: what is set is not sent (RFC 9110 sections 9.3.2, 15.4.5: the fields are those of a 200 to GET).
   */
  get body (): Buffer | null
  set body (body: string | Uint8Array | null)
  /**
   * Sends the body through a transform. Needs `body: { response: 'stream' }`; drops Content-Length, ETag and digests. Where there is no
   * body only that happens.
   */
  transform (stream: Duplex): void
}

/** What happened to a request, once its last byte is out. Times in milliseconds. */
export interface Outcome {
  /** 0 when the client went before there was a status. */
  readonly status: number
  /** False when the answer was cut off. */
  readonly complete: boolean
  readonly durationMs: number
  /** From dispatch to the upstream's head; null when it gave none. */
  readonly upstreamMs: number | null
  /** The target's origin, or null. */
  readonly target: string | null
  readonly bytesIn: number
  readonly bytesOut: number
  /** The code of the gateway's own error answer, or null. */
  readonly errorCode: string | null
  readonly errorReason: string | null
}

/** What every hook sees. Slots are typed by what the plugin declares (`plugin.ts`). */
export interface BaseContext {
  /** The request id: in `X-Request-Id`, the access log and error bodies. */
  readonly id: string
  readonly request: GatewayRequest
  /** Null for what no route serves (404, 405). */
  readonly route: RouteInfo | null
  readonly project: string | null
  /** What `:names` of the route's path matched, in normal form (still percent-encoded). `*` holds what a wildcard matched. */
  readonly params: Readonly<Record<string, string>>
  readonly rawTarget: string
  readonly connection: ConnectionInfo
  /** The whole request body, where this plugin or another of the route declares `{ buffer }`; inflated if the plugin asks for it. Null before, or without a body. */
  readonly body: Buffer | null
  readonly forward: Forward
  /** Aborts when the client goes or the total time is over. Made on first use. */
  readonly signal: AbortSignal
  /** Non-null when each step's decision is recorded (explain, debug). */
  readonly trace: Trace | null
  /** Starts recording the steps from here on; for a plugin that has checked that the client may see them. */
  startTrace (): Trace
  /** Adds a field to this request's access-log record. */
  annotate (key: string, value: string | number | boolean): void
}

/** What a step did, for `explain --run` and the debug plugin. */
export interface TraceEntry {
  plugin: string
  id: string
  stage: string
  hook: 'request' | 'response' | 'error' | 'log'
  /** `next`, `reply 401`, `failed: …`. */
  decision: string
  durationMs: number
}

/** The recorded decisions of one request, in the order in which they were made. */
export interface Trace {
  readonly entries: TraceEntry[]
}
