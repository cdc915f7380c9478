import type { RingContent } from './key-ring.js'
import { newRingKey, type KeyKind } from './key-ring-text.js'

/** Adds a key that can open and verify but is not used for new values yet: for giving a ring to several nodes before any of them uses it. */
export function withPreparedKey (content: RingContent, kind: KeyKind, now: Date = new Date()): RingContent {
  const { active, keys } = content[kind]
  return { ...content, [kind]: { active, keys: [...keys, newRingKey(kind, now)] } }
}

/** Lets new values be made with the newest key: the one that was prepared, or one that is added. */
export function withNewestActive (content: RingContent, kind: KeyKind, now: Date = new Date()): RingContent {
  const newest = content[kind].keys.at(-1)
  if (newest === undefined || newest.id === content[kind].active) return withNewestActive(withPreparedKey(content, kind, now), kind)
  return { ...content, [kind]: { ...content[kind], active: newest.id } }
}

/** Takes a key out. Null where it is not in the ring, or is the one that new values are made with. */
export function withoutKey (content: RingContent, id: string): RingContent | null {
  const kind = kindOf(content, id)
  if (kind === null || content[kind].active === id) return null
  return { ...content, [kind]: { ...content[kind], keys: content[kind].keys.filter((key) => key.id !== id) } }
}

/** What kind of key an id is of; null where it is not in the ring. */
export function kindOf (content: RingContent, id: string): KeyKind | null {
  return (['encryption', 'peppers'] as const).find((kind) => content[kind].keys.some((key) => key.id === id)) ?? null
}
