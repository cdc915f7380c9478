import { createHash, timingSafeEqual } from 'node:crypto'

/**
 * Makes a check for one secret that takes the same time whatever it is given: both sides are hashed, so that neither their lengths
 * nor where they differ shows. An empty secret matches nothing.
 */
export function createSecretMatcher (secret: string): (candidate: string) => boolean {
  const expected = digest(secret)
  return (candidate) => timingSafeEqual(digest(candidate), expected) && secret !== ''
}

function digest (text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
