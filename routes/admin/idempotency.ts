import { createHash, randomBytes, randomUUID } from 'node:crypto'
import { GatewayError } from '../../core/errors.js'
import { canonicalJson } from '../../core/lib/canonical-json.js'
import type { SystemStore } from '../../core/state/store.js'
import type { Preconditions } from './entity-tag.js'
import type { KeyMaker } from './state-ports.js'
import { createSeededIds, type SeededIds } from './seeded-ids.js'
import type { EarlierResult, Result } from './operation.js'
import { withoutSecrets } from './without-secrets.js'

/** A request that names a key. */
export interface KeyedRequest {
  /** The value of Idempotency-Key. */
  readonly key: string
  /** Whose it is: two principals may use the same key. */
  readonly actor: string
  readonly method: string
  readonly url: string
  /** The id of this attempt, by which the audit trail knows it. */
  readonly requestId: string
  /** As JSON has it: the order of keys does not matter. */
  readonly body: unknown
  /** What it is asked under: with others it is another request. Left out = nothing. */
  readonly preconditions?: Preconditions
  /** Fields of the answer that are shown once (`Operation.secrets`). */
  readonly secrets: readonly string[]
}

/** One try to make a request. */
export interface Attempt {
  /** Whether another came before, of which some may have been made. */
  readonly resumed: boolean
  /** The request ids of the attempts before. */
  readonly before: readonly string[]
  /** How far the one before came; null = that is not known. */
  readonly earlier: EarlierResult | null
  /** What ids are made of: the same in each attempt. */
  readonly ids: SeededIds
}

/** Answers that are given again to who repeats a request. */
export interface Idempotency {
  /**
   * Runs the request, or gives what came of it when it was made before, within 24 hours. One that was broken off (the store was gone, the
   * process ended) is taken up again: `run` is then told so, and gives new records the ids of the attempt before. Rejects with CONFLICT where
   * the key is another request's, and while it is under way.
   */
  once (request: KeyedRequest, run: (attempt: Attempt) => Promise<Result>): Promise<Result & { readonly replayed: boolean }>
}

interface Kept {
  /** The keyed digest of the request: bodies hold secrets, and a plain hash of a short one gives that away. */
  readonly request: string
  readonly pepperId: string
  readonly until: number
  /** What each attempt makes its ids of. */
  readonly seed: string
  /** The ids of the attempts; absent in what an earlier version wrote. */
  readonly attempts?: readonly string[]
  /** The process that works on it, and until when others leave it alone. Null = nobody does. */
  readonly holder: string | null
  readonly heldUntil: number
  /** What came of it, perhaps not of all (`unfinished`); null = that is not known. */
  readonly result: Result | null
}

interface Found { readonly place: string, readonly text: string, readonly kept: Kept }

const DAY_MS = 86_400_000
const HELD_MS = 60_000 // longer than any request works
const MOST_UNANSWERED = 10_000
const MOST_ATTEMPTS = 20
const KEY = /^[\x21-\x7e]{1,255}$/

/** Keeps answers in the settings of the store, in a drawer for each day, so that old ones go at once. */
export function createIdempotency (system: SystemStore, keys: Pick<KeyMaker, 'digest' | 'matches'>, now: () => number): Idempotency {
  // What has this as its holder and is not in the set was broken off: the process works on it no more.
  const holder = randomUUID()
  const running = new Set<string>()
  // Whose answer was not given because nobody knew whether it was kept: it may have been the only one with the secrets.
  const unanswered = new Set<string>()
  let emptied = ''
  const drawer = (at: number): string => `idempotency/${new Date(at).toISOString().slice(0, 10)}/`
  const read = async (place: string, at: number): Promise<Found | null> => {
    const text = await system.getMeta(place)
    if (text === null) return null
    const kept = JSON.parse(text) as Kept
    return kept.until > at ? { place, text, kept } : null
  }
  const emptyOld = async (at: number): Promise<void> => {
    if (emptied === drawer(at)) return
    await system.removeMeta('idempotency/', drawer(at - DAY_MS))
    emptied = drawer(at)
  }

  const requestDigest = (request: string): Pick<Kept, 'request' | 'pepperId'> => {
    const { digest, pepperId } = keys.digest(request)
    return { request: digest, pepperId }
  }
  const make = async (name: string, request: string, { requestId, secrets }: KeyedRequest, run: (attempt: Attempt) => Promise<Result>): Promise<Result & { replayed: boolean }> => {
    const at = now()
    const found = await read(drawer(at) + name, at) ?? await read(drawer(at - DAY_MS) + name, at)
    const { kept } = found ?? {}
    if (kept !== undefined && !keys.matches(request, kept.request, kept.pepperId)) throw conflict('The Idempotency-Key was used for another request.', 'idempotency_key_reused')
    if (kept !== undefined && kept.result !== null && kept.result.unfinished !== true && !unanswered.has(name)) return { ...kept.result, replayed: true }
    if (kept !== undefined && kept.holder !== null && kept.holder !== holder && kept.heldUntil > at) throw underWay(kept.heldUntil - at)
    await emptyOld(at)
    const place = found?.place ?? drawer(at) + name
    const seed = kept?.seed ?? randomBytes(32).toString('hex')
    const before = kept?.attempts ?? []
    const claim: Kept = { ...requestDigest(request), until: kept?.until ?? at + DAY_MS, seed, attempts: [...before, requestId].slice(-MOST_ATTEMPTS), holder, heldUntil: at + HELD_MS, result: kept?.result ?? null }
    if (!await system.setMeta(place, JSON.stringify(claim), found?.text ?? null)) throw underWay(1_000)
    let result: Result
    try {
      const earlier = claim.result === null ? null : { result: claim.result, seen: !unanswered.has(name) }
      result = await run({ resumed: found !== null, before, earlier, ids: createSeededIds(seed) })
    } catch (error) {
      // What was refused changed nothing, and may be sent again, changed too. Of what an attempt before made nobody knows: that stays this request's.
      const refused = error instanceof GatewayError && error.status < 500
      if (refused && found === null) await system.removeMeta(place, `${place}!`) // no hash goes on with what is behind it
      else await system.setMeta(place, JSON.stringify({ ...claim, holder: null } satisfies Kept)).catch(() => {}) // the store is gone: this process knows, others wait for the time to pass
      throw error
    }
    if (unanswered.size >= MOST_UNANSWERED) unanswered.clear()
    unanswered.add(name)
    await system.setMeta(place, JSON.stringify({ ...claim, holder: null, result: { ...result, body: withoutSecrets(result.body, secrets) } } satisfies Kept))
    unanswered.delete(name)
    return { ...result, replayed: false }
  }

  return {
    async once (keyed, run) {
      const { key, actor, method, url, body, preconditions } = keyed
      if (!KEY.test(key)) throw new GatewayError('VALIDATION_ERROR', { message: 'Idempotency-Key has to be 1 to 255 visible ASCII characters.', details: { reason: 'idempotency_key' } })
      const name = sha256(JSON.stringify([actor, key]))
      if (running.has(name)) throw underWay(1_000)
      running.add(name)
      try {
        return await make(name, canonicalJson([method, url, preconditions?.ifMatch ?? null, preconditions?.ifNoneMatch ?? null, body ?? null]), keyed, run)
      } finally {
        running.delete(name)
      }
    }
  }
}

function underWay (ms: number): GatewayError {
  return conflict('The request with this Idempotency-Key is under way: repeat it later.', 'idempotency_key_in_use', ['retry-after', String(Math.ceil(ms / 1000))])
}

function conflict (message: string, reason: 'idempotency_key_reused' | 'idempotency_key_in_use', headers: readonly string[] = []): GatewayError {
  return new GatewayError('CONFLICT', { message, details: { reason }, headers })
}

function sha256 (text: string): string {
  return createHash('sha256').update(text).digest('hex')
}
