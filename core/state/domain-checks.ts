import { createHash } from 'node:crypto'
import type { Logger } from '../host.js'
import { forEachLimited } from '../lib/for-each-limited.js'
import type { LookUpTxt } from '../lib/txt-lookup.js'
import { afterLookUp, lookForProof, type ProofOutcome } from './domain-proof.js'
import type { Domain } from './records.js'
import type { OpenStore } from './store.js'
import { StaleRevisionError } from './store-errors.js'

/** What a check made of a verified domain: its look-ups begin to fail, they do no more, or they have failed for too long. */
export type DomainTurn = 'failing' | 'recovered' | 'unverified'

/** What the checks of verified domains stand on. */
export interface DomainChecksOptions {
  readonly open: Pick<OpenStore, 'store' | 'system'>
  readonly lookUp: LookUpTxt
  readonly log: Logger
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Makes a change that nobody asked for, and has it in the audit trail. */
  audited (turn: DomainTurn, before: Domain, after: Domain, make: () => Promise<Domain>): Promise<Domain>
  /** Told of each look-up, and of each turn. */
  readonly onLookUp: (outcome: ProofOutcome) => void
  readonly onTurn: (turn: DomainTurn) => void
}

const HOUR_MS = 3_600_000
/** A domain is looked up again a day after the last time, up to an hour earlier: those that were verified together do not stay together. */
const DAY_MS = 24 * HOUR_MS
const SPREAD_MS = HOUR_MS
/** One that fails is looked up more often, so that what was mended is noticed and the end comes when it is told. */
const FAILING_MS = HOUR_MS
const MOST_AT_ONCE = 8
const MOST_OF_PASS = 1_000

/** Looks verified domains up again. */
export class DomainChecks {
  readonly #options: DomainChecksOptions

  constructor (options: DomainChecksOptions) {
    this.#options = options
  }

  /** What a look-up says of a claim now, and what becomes of it. Nothing is written. */
  async look (domain: Domain): Promise<{ outcome: ProofOutcome, next: Domain }> {
    const { lookUp, now, onLookUp } = this.#options
    const outcome = await lookForProof(domain, lookUp)
    onLookUp(outcome)
    return { outcome, next: afterLookUp(domain, outcome, now()) }
  }

  /** Looks a verified domain up and keeps what becomes of it. Null where somebody changed or removed it meanwhile. */
  async check (domain: Domain): Promise<Domain | null> {
    const { open: { store }, log, audited, onTurn } = this.#options
    const { outcome, next } = await this.look(domain)
    const write = (): Promise<Domain> => store.domains.replace(domain.customer_id, next)
    const turn = turnOf(domain, next)
    try {
      if (turn === null) return await write()
      const kept = await audited(turn, domain, next, write)
      onTurn(turn)
      const fields = { domain: domain.name, domainId: domain.domain_id, project: domain.project_id, outcome, failingSince: next.failing_since }
      if (turn === 'recovered') log.info(fields, 'the TXT record of a domain is there again')
      else if (turn === 'failing') log.warn(fields, 'the TXT record of a verified domain is not found: it is served for 72 h more')
      else log.warn(fields, 'the TXT record of a domain was not found for 72 h: it is unverified and not served any more')
      return kept
    } catch (error) {
      if (error instanceof StaleRevisionError) return null
      throw error
    }
  }

  /** Looks up what is due, a few at a time and at most a thousand; `goOn` is asked before each. Resolves to how many that were. */
  async pass (goOn: () => boolean = () => true): Promise<number> {
    let done = 0
    await forEachLimited(await this.#due(), MOST_AT_ONCE, async (domain) => {
      if (!goOn()) return
      done++
      await this.check(domain)
    })
    return done
  }

  async #due (): Promise<Domain[]> {
    const { open: { system }, now } = this.#options
    const before = (ageMs: number): string => new Date(now() - ageMs).toISOString()
    const sort = [{ field: 'checked_at' as const }]
    const status = { eq: 'verified' }
    const daily = await system.list('domains', { filter: { status, checked_at: { lte: before(DAY_MS - SPREAD_MS) } }, sort, limit: MOST_OF_PASS })
    const failing = await system.list('domains', { filter: { status, failing_since: { gt: '' }, checked_at: { lte: before(FAILING_MS) } }, sort, limit: MOST_OF_PASS })
    const never = await system.list('domains', { filter: { status, checked_at: { eq: null } }, limit: MOST_OF_PASS })
    const due = new Map<string, Domain>()
    for (const domain of [...never, ...failing, ...daily]) {
      if (domain.checked_at === null || domain.failing_since !== null || domain.checked_at <= before(DAY_MS - earlierMs(domain.domain_id))) due.set(domain.domain_id, domain)
    }
    return [...due.values()].slice(0, MOST_OF_PASS)
  }
}

function turnOf (before: Domain, after: Domain): DomainTurn | null {
  if (before.status !== after.status) return 'unverified'
  if ((before.failing_since === null) === (after.failing_since === null)) return null
  return after.failing_since === null ? 'recovered' : 'failing'
}

/** How much earlier than after a day: always the same for one domain, and spread over all of them. */
function earlierMs (domainId: string): number {
  return createHash('sha256').update(domainId).digest().readUInt32BE() / 2 ** 32 * SPREAD_MS
}
