import { whyReserved } from '../../core/lib/reserved-fields.js'

/** Whose fields are edited. */
export type Direction = 'request' | 'response'

/** Why a field (lower-case) may not be edited, and what to do instead; null when it may be. */
export function reserved (name: string, direction: Direction): { message: string, remedy: string } | null {
  if (name === 'host' && direction === 'request') {
    return { message: '"host" can not be edited, because the upstream decides it', remedy: 'write `host:` at the upstream: preserve, target or a name' }
  }
  const why = whyReserved(name)
  return why === null ? null : { message: `"${name}" can not be edited: ${why}`, remedy: 'take it away' }
}
