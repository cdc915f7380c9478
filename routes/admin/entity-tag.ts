import { GatewayError } from '../../core/errors.js'

/** The entity tag (RFC 9110 section 8.8.3) of a revision. */
export function tagOf (rev: number): string {
  return `"${rev}"`
}

/** Checks If-Match (RFC 9110 section 13.1.1) against what is there. Throws GatewayError, 412, where none of its tags is the revision's. */
export function checkIfMatch (field: string | undefined, rev: number): void {
  if (field === undefined || field.trim() === '*' || tagsOf(field).includes(tagOf(rev))) return
  throw staleRevision()
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
