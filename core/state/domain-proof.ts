import { randomBytes } from 'node:crypto'
import { challengeNameOf } from '../lib/domain-name.js'
import { createSecretMatcher } from '../lib/secret-matcher.js'
import type { LookUpTxt } from '../lib/txt-lookup.js'
import type { Domain } from './records.js'

/** What a look-up found of a claim: its challenge, other records or none, or no answer at all. */
export type ProofOutcome = 'proven' | 'missing' | 'unanswered'

/** How long every look-up of a verified domain has to fail until it is unverified. */
const GRACE_MS = 72 * 3_600_000

/** A new challenge: 256 random bits. */
export function createChallenge (): string {
  return randomBytes(32).toString('base64url')
}

/** Looks whether the TXT records of a claim hold its challenge. Each is compared in constant time, and all of them are. */
export async function lookForProof ({ name, challenge }: Domain, lookUp: LookUpTxt): Promise<ProofOutcome> {
  if (challenge === null) return 'missing'
  const answer = await lookUp(challengeNameOf(name))
  if (answer.outcome !== 'found') return answer.outcome
  const matches = createSecretMatcher(challenge)
  return answer.texts.filter((text) => matches(text.trim())).length > 0 ? 'proven' : 'missing'
}

/**
 * What becomes of a domain by a look-up. One that is proven is verified. One that is verified and is not proven any more goes on serving until
 * that has been so for `GRACE_MS`, whether the record is gone or nobody answers: then it is unverified.
 */
export function afterLookUp (domain: Domain, outcome: ProofOutcome, nowMs: number): Domain {
  const now = new Date(nowMs).toISOString()
  const wasVerified = domain.status === 'verified'
  if (outcome === 'proven') return { ...domain, status: 'verified', verified_at: wasVerified ? domain.verified_at : now, checked_at: now, failing_since: null }
  if (!wasVerified) return { ...domain, checked_at: now }
  const failingSince = domain.failing_since ?? now
  const over = nowMs - Date.parse(failingSince) >= GRACE_MS
  return { ...domain, status: over ? 'unverified' : 'verified', checked_at: now, failing_since: failingSince }
}
