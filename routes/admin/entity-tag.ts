import { GatewayError } from '../../core/errors.js'

/** The entity tag (RFC 9110 section 8.8.3) of a revision. */
export function tagOf (rev: number): string {
  return `"${rev}"`
}

/** What a request says of what it is about. */
export interface Preconditions {
  readonly ifMatch: string | undefined
  readonly ifNoneMatch?: string | undefined
}

/**
 * Checks If-Match and If-None-Match (RFC 9110 sections 13.1.1 and 13.1.2) of a change against what is there. Throws GatewayError, 412, where none of the tags of
 * the one is the revision's, or one of the other is.
 */
export function checkPreconditions ({ ifMatch, ifNoneMatch }: Preconditions, rev: number): void {
  if (ifMatch !== undefined && ifMatch.trim() !== '*' && !tagsOf(ifMatch).includes(tagOf(rev))) throw staleRevision()
  if (isUnchanged(ifNoneMatch, rev)) throw new GatewayError('PRECONDITION_FAILED', { message: 'If-None-Match names what is there.', details: { reason: 'is_there' } })
}

/** Whether If-None-Match (RFC 9110 section 13.1.2) names what is there: weakly compared. */
export function isUnchanged (field: string | undefined, rev: number): boolean {
  return field !== undefined && (field.trim() === '*' || tagsOf(field).some((tag) => tag === tagOf(rev) || tag === `W/${tagOf(rev)}`))
}

/** The failure of a write to what has changed. */
export function staleRevision (): GatewayError {
  return new GatewayError('PRECONDITION_FAILED', { message: 'It was changed meanwhile: read it again.', details: { reason: 'changed_meanwhile' } })
}

function tagsOf (field: string): string[] {
  return field.split(',').map((tag) => tag.trim())
}
