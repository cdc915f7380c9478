import { explainSystemError } from './system-error.js'

const ADVICE = { port: 'choose another port with listen.port, admin.port or --port', address: 'correct listen.host or admin.host' }

/** What kept a start from succeeding, in one sentence with the remedy where it is known. */
export function explainStart (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { message, remedy } = explainSystemError(error, ADVICE)
  return remedy === '' ? message : `${message} (${remedy})`
}
