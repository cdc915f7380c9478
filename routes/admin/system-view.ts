/** The ids of keys of one kind, never the keys. */
export interface RingKeyIds {
  /** The one that new values are made with. */
  readonly active: string
  readonly keys: readonly { readonly id: string, readonly createdAt: string }[]
}

/** How far the workers' views of the store are. Of several workers, the one that is furthest behind. */
export interface DirectoryView {
  readonly state: 'loading' | 'fresh' | 'stale'
  /** When nothing newer was last found in the store; null = never. */
  readonly asOf: string | null
  readonly ageMs: number | null
  /** The changes of the store that were not taken over yet; null while the store does not answer. */
  readonly changesBehind: number | null
  /** What it holds, by kind. */
  readonly holds: Readonly<Record<string, number>>
}

/** The gateway as a whole, as its operators see it. */
export interface SystemView {
  readonly version: string
  readonly node: string
  readonly pid: number
  readonly ready: boolean
  readonly startedAt: string
  readonly uptimeSeconds: number
  /** Where the configuration comes from, and how its last reload went (null = there was none). */
  readonly config: { readonly file: string, readonly environment: string | null, readonly lastReload: object | null }
  readonly listeners: readonly { readonly name: string, readonly url: string }[]
  readonly workers: readonly object[]
  /** `format` null = the store does not answer. */
  readonly store: Readonly<Record<string, unknown>> & { readonly format: { readonly version: number, readonly known: number, readonly applied: readonly object[], readonly pending: readonly object[] } | null }
  readonly directory: DirectoryView | null
  readonly keyRing: { readonly encryption: RingKeyIds, readonly peppers: RingKeyIds }
  /** Of the configuration, as they are in effect. */
  readonly limits: Readonly<Record<string, unknown>>
}
