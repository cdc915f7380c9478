import type { TraceEntry } from '../../core/context.js'
import type { Position } from '../../core/errors.js'

/** A step of a pipeline and where it comes from. */
export interface ExplainedStep {
  readonly plugin: string
  readonly id: string
  readonly stage: string
  /** Whose list put it there. */
  readonly level: 'gateway' | 'project' | 'route'
  readonly locked: boolean
  readonly timeoutMs: number
  /** What it takes part in: a step without a request hook lets every request through. */
  readonly hooks: readonly ('request' | 'response' | 'error' | 'log')[]
  readonly position: Position | null
  /** Where the outer use is that it replaced, or null. */
  readonly replaces: Position | null
}

/** A project or route that could serve a request, and what became of it. */
export interface ExplainedCandidate {
  readonly name: string
  readonly outcome: 'wins' | 'loses' | 'no match'
  readonly reason: string
  readonly position: Position | null
}

/** An answer that is the gateway's own, before or instead of the upstream's. */
export interface ExplainedRefusal {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly reason: string | null
  /** The methods that the address takes; null where that is not the point. */
  readonly allow: string | null
}

/** What a request that was sent through the pipeline came to. */
export interface ExplainedRun {
  readonly decisions: readonly TraceEntry[]
  readonly answer: { readonly status: number, readonly headers: readonly (readonly [string, string])[], readonly bytes: number, readonly complete: boolean }
  /** What was sent to an upstream (the path with the target's own in front), or null. */
  readonly forwarded: { readonly target: string, readonly method: string, readonly path: string, readonly query: string } | null
  readonly durationMs: number
  readonly upstreamMs: number | null
  readonly errorCode: string | null
  readonly errorReason: string | null
  /** What was logged meanwhile. */
  readonly log: readonly { readonly level: string, readonly message: string, readonly fields: Readonly<Record<string, unknown>> }[]
}

/** All that `sluice explain` tells, as `--json` prints it. */
export interface Explanation {
  readonly ok: true
  readonly request: { readonly method: string, readonly host: string, readonly path: string, readonly query: string, readonly clientAddress: string } | null
  /** Refused before it is looked at, or behind the steps of the pipeline; null = it is served. */
  readonly refusal: ExplainedRefusal | null
  /** The gateway answers it itself (`listen.health`). */
  readonly own: boolean
  readonly project: string | null
  readonly route: { readonly id: string, readonly path: string, readonly position: Position | null, readonly params: Readonly<Record<string, string>> } | null
  readonly projects: readonly ExplainedCandidate[]
  readonly routes: readonly ExplainedCandidate[]
  readonly pipeline: readonly ExplainedStep[]
  /** Uses that an inner list took away. */
  readonly removed: readonly { readonly plugin: string, readonly id: string, readonly position: Position | null }[]
  /** Where the request goes when the steps let it through; null = nowhere. */
  readonly forward: { readonly upstream: string, readonly path: string, readonly query: string, readonly targets: readonly { readonly url: string, readonly weight: number }[] } | null
  readonly run: ExplainedRun | null
}
