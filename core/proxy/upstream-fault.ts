/**
 * What kind of fault: `invalid`: what came is no HTTP/1.1 answer; `lost`: the connection ended before the answer did; `closed`: the pool
 * takes no more; `body`: the request's body is not as long as its head says.
 */
export type FaultKind = 'invalid' | 'lost' | 'closed' | 'body'

/** Why an exchange on a connection to an upstream failed, where it is not the system's error. */
export class UpstreamFault extends Error {
  readonly kind: FaultKind
  /** The finer reason, as an error answer names it. */
  readonly reason: string

  constructor ({ kind, reason, message = reason }: { kind: FaultKind, reason: string, message?: string }) {
    super(message)
    this.name = 'UpstreamFault'
    this.kind = kind
    this.reason = reason
  }
}
