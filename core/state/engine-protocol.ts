import type { DocumentEngine } from './document-engine.js'

/** The methods of an engine that are one question and one answer. */
export type EngineMethod = Exclude<keyof DocumentEngine, 'name' | 'readAll' | 'onChange' | 'pool' | 'openings' | 'close'>

/** What is asked of the thread that has the engine, and answered with the same id. */
export type Call =
  | { readonly kind: 'method', readonly method: EngineMethod, readonly args: readonly unknown[] }
  /** Begins to read a collection; the answer is the number of the reading. */
  | { readonly kind: 'read', readonly args: Parameters<DocumentEngine['readAll']> }
  /** The next batch of a reading; null at its end. */
  | { readonly kind: 'next', readonly reading: number }
  | { readonly kind: 'close' }

/** What that thread is sent. */
export type ToEngine = (Call & { readonly id: number }) | { readonly kind: 'watch' } | { readonly kind: 'unwatch' } | { readonly kind: 'stop', readonly reading: number }

/** An error as it crosses: classes do not. */
export interface EngineError {
  readonly name: string
  readonly message: string
  readonly stack: string | undefined
  readonly version: number | undefined
  readonly known: number | undefined
  readonly reopen: boolean | undefined
}

/** What it sends, each time with how often the engine was opened, where that may be more than once. */
export type FromEngine = { readonly openings?: number | undefined } & (
  | { readonly kind: 'value', readonly id: number, readonly value: unknown }
  | { readonly kind: 'error', readonly id: number, readonly error: EngineError }
  | { readonly kind: 'change' }
)
