import { createHash } from 'node:crypto'
import { GatewayError } from '../../core/errors.js'
import type { SystemStore } from '../../core/state/store.js'
import type { Result } from './operation.js'

/** A request that names a key. */
export interface KeyedRequest {
  /** The value of Idempotency-Key. */
  readonly key: string
  /** Whose it is: two principals may use the same key. */
  readonly actor: string
  readonly method: string
  readonly url: string
  readonly body: unknown
  /** Fields of the answer that are shown once. */
  readonly secrets: readonly string[]
}

/** Answers that are given again to who repeats a request. */
export interface Idempotency {
  /** Runs the request, or gives what came of it when it was made before, within 24 hours. Rejects with CONFLICT where it can not tell. */
  once (request: KeyedRequest, run: () => Promise<Result>): Promise<Result & { readonly replayed: boolean }>
}

interface Kept {
  readonly request: string
  readonly until: number
  /** Null while it is under way. */
  readonly result: Result | null
}

const DAY_MS = 86_400_000
const KEY = /^[\x21-\x7e]{1,255}$/

/** Keeps answers in the settings of the store, in a drawer for each day, so that old ones go at once. */
export function createIdempotency (system: SystemStore, now: () => number): Idempotency {
  let emptied = ''
  const drawer = (at: number): string => `idempotency/${new Date(at).toISOString().slice(0, 10)}/`
  const read = async (name: string, at: number): Promise<Kept | null> => {
    const text = await system.getMeta(name)
    if (text === null) return null
    const kept = JSON.parse(text) as Kept
    return kept.until > at ? kept : null
  }
  const answerOf = (kept: Kept, request: string): Result & { replayed: true } => {
    if (kept.request !== request) throw conflict('The Idempotency-Key was used for another request.', 'idempotency_key_reused')
    if (kept.result === null) throw conflict('The request with this Idempotency-Key is under way, or was broken off: look at what there is before it is made again.', 'idempotency_outcome_unknown')
    return { ...kept.result, replayed: true }
  }
  return {
    async once ({ key, actor, method, url, body, secrets }, run) {
      if (!KEY.test(key)) throw new GatewayError('VALIDATION_ERROR', { message: 'Idempotency-Key has to be 1 to 255 visible ASCII characters.', details: { reason: 'idempotency_key' } })
      const at = now()
      const name = sha256(JSON.stringify([actor, key]))
      const request = sha256(JSON.stringify([method, url, body ?? null]))
      const here = drawer(at) + name
      const there = await read(here, at) ?? await read(drawer(at - DAY_MS) + name, at)
      if (there !== null) return answerOf(there, request)
      if (emptied !== drawer(at)) {
        await system.removeMeta('idempotency/', drawer(at - DAY_MS))
        emptied = drawer(at)
      }
      const claim: Kept = { request, until: at + DAY_MS, result: null }
      if (!await system.setMeta(here, JSON.stringify(claim), null)) {
        const raced = await read(here, at)
        if (raced !== null) return answerOf(raced, request)
      }
      let result: Result
      try {
        result = await run()
      } catch (error) {
        // What was refused changed nothing, and may be sent again; what became of a write that the store did not answer nobody knows.
        if (error instanceof GatewayError && error.status < 500) await system.removeMeta(here, `${here}!`) // no hash goes on with what is behind it
        throw error
      }
      await system.setMeta(here, JSON.stringify({ ...claim, result: { ...result, body: without(result.body, secrets) } } satisfies Kept))
      return { ...result, replayed: false }
    }
  }
}

function without (body: Result['body'], secrets: readonly string[]): Result['body'] {
  return body === null ? null : Object.fromEntries(Object.entries(body).filter(([name]) => !secrets.includes(name)))
}

function conflict (message: string, reason: 'idempotency_key_reused' | 'idempotency_outcome_unknown'): GatewayError {
  return new GatewayError('CONFLICT', { message, details: { reason } })
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
