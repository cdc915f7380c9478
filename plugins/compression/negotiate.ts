/** A coding that the plugin can produce. */
export type Coding = 'br' | 'gzip' | 'deflate'

/** What a client's Accept-Encoding comes to. */
export interface Choice {
  /** The coding to use; null = send the body as it is. */
  readonly coding: Coding | null
  /** Whether the client refuses a body as it is (`identity;q=0`). */
  readonly identityRefused: boolean
}

const AS_IT_IS: Choice = { coding: null, identityRefused: false }
// Clients send few different fields, but an attacker may send any number.
const MAX_REMEMBERED = 100
const MAX_REMEMBERED_LENGTH = 200

/**
 * Makes the function that chooses a coding (RFC 9110 section 12.5.3): of the `offered` ones the client's highest weight wins, among equals
 * the first offered; none when the client prefers `identity`. Choices are remembered by field value.
 */
export function negotiator (offered: readonly Coding[]): (acceptEncoding: string | undefined) => Choice {
  const remembered = new Map<string, Choice>()
  return (field) => {
    // Without the field everything is acceptable, but those who leave it out seldom can decode anything.
    if (field === undefined) return AS_IT_IS
    const known = remembered.get(field)
    if (known !== undefined) return known
    const choice = choose(offered, field)
    if (field.length <= MAX_REMEMBERED_LENGTH) {
      if (remembered.size >= MAX_REMEMBERED) remembered.clear()
      remembered.set(field, choice)
    }
    return choice
  }
}

function choose (offered: readonly Coding[], field: string): Choice {
  const weights = readWeights(field)
  const any = weights.get('*')
  const identity = weights.get('identity')
  let coding: Coding | null = null
  let best = 0
  for (const candidate of offered) {
    const weight = weights.get(candidate) ?? any ?? 0
    if (weight > best) { coding = candidate; best = weight }
  }
  if (identity !== undefined && identity > best) coding = null
  return { coding, identityRefused: (identity ?? any ?? 1) === 0 }
}

/** Coding to weight, 0 to 1. A weight that is not one counts as 0: what can not be read is not asked for. */
function readWeights (field: string): Map<string, number> {
  const weights = new Map<string, number>()
  for (const part of field.split(',')) {
    const [name = '', ...parameters] = part.split(';').map((piece) => piece.trim().toLowerCase())
    if (name === '') continue
    const quality = parameters.find((parameter) => /^q\s*=/.test(parameter))
    const text = quality?.slice(quality.indexOf('=') + 1).trim()
    const weight = text === undefined ? 1 : /^(0(\.\d{0,3})?|1(\.0{0,3})?)$/.test(text) ? Number(text) : 0
    // RFC 9110 section 8.4.1.3: x-gzip is gzip.
    weights.set(name === 'x-gzip' ? 'gzip' : name, weight)
  }
  return weights
}
