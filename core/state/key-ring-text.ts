import { createSecretKey, randomBytes } from 'node:crypto'
import { randomBase62 } from '../lib/base62.js'
import type { RingContent, RingKey, RingKeys } from './key-ring.js'

/** The kinds of keys in a ring, by the names that its text has for them. */
export type KeyKind = 'encryption' | 'peppers'

/** The text of a key ring can not be used. Says where and what to do, and nothing of what stands there: it may be a key in the wrong place. */
export class KeyRingTextError extends Error {
  /** What is wrong, without the remedy, which `message` has behind it. */
  readonly problem: string
  readonly remedy: string

  constructor (problem: string, remedy: string) {
    super(`${problem} (${remedy})`)
    this.name = 'KeyRingTextError'
    this.problem = problem
    this.remedy = remedy
  }
}

const FORMAT = 1
const KEY_BYTES = 32
const ID = /^[A-Za-z0-9_-]{1,32}$/
const KINDS = ['encryption', 'peppers'] as const
const ID_PREFIX = { encryption: 'enc', peppers: 'pep' } as const
const RESTORE = 'bring back a copy of the ring that is whole; `sluice keyring new` makes another, but what was sealed with this one stays closed'

/** Makes what a new ring holds: one key and one pepper. */
export function newRingContent (now: Date = new Date()): RingContent {
  const only = (kind: KeyKind): RingKeys => {
    const key = newRingKey(kind, now)
    return { active: key.id, keys: [key] }
  }
  return { encryption: only('encryption'), peppers: only('peppers') }
}

/** Makes one key of 256 random bits. */
export function newRingKey (kind: KeyKind, now: Date = new Date()): RingKey {
  return { id: `${ID_PREFIX[kind]}_${randomBase62(8)}`, createdAt: now.toISOString(), key: createSecretKey(randomBytes(KEY_BYTES)) }
}

/** A ring as its file and `SLUICE_KEYS` hold it: JSON, with every key. */
export function formatKeyRing (content: RingContent): string {
  const kind = ({ active, keys }: RingKeys): object => ({
    active, keys: keys.map(({ id, createdAt, key }) => ({ id, created_at: createdAt, key: key.export().toString('base64url') }))
  })
  return `${JSON.stringify({ format: FORMAT, encryption: kind(content.encryption), peppers: kind(content.peppers) }, null, 2)}\n`
}

/** Reads what `formatKeyRing` wrote. `place` is the file or variable, for errors. Throws KeyRingTextError. */
export function parseKeyRing (text: string, place: string): RingContent {
  if (text.trim() === '') throw new KeyRingTextError(`${place} is empty`, RESTORE)
  const ring = asMap(parseJson(text, place), place, ['format', ...KINDS])
  if (ring['format'] !== FORMAT) throw new KeyRingTextError(`${place}: format is not ${FORMAT}`, 'this version knows no other: start the version that wrote it')
  const content = { encryption: parseKind(ring['encryption'], `${place}: encryption`), peppers: parseKind(ring['peppers'], `${place}: peppers`) }
  const seen = new Set<string>()
  for (const kind of KINDS) {
    for (const [index, { id }] of content[kind].keys.entries()) {
      if (seen.has(id)) throw new KeyRingTextError(`${place}: ${kind}.keys[${index}].id is that of a key before it`, 'two keys of one ring can not share an id: take the wrong one out')
      seen.add(id)
    }
  }
  return content
}

function parseJson (text: string, place: string): unknown {
  try {
    return JSON.parse(text)
  } catch (error) {
    // The engine's message quotes the text around the place.
    const [, position] = /at position (\d+)/.exec((error as Error).message) ?? []
    const before = position === undefined ? null : text.slice(0, Number(position)).split('\n')
    throw new KeyRingTextError(`${place}${before === null ? '' : `:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`} is not JSON`, RESTORE)
  }
}

function parseKind (value: unknown, place: string): RingKeys {
  const { active, keys } = asMap(value, place, ['active', 'keys'])
  if (!Array.isArray(keys) || keys.length === 0) throw new KeyRingTextError(`${place}.keys is no list with a key in it`, RESTORE)
  const parsed = keys.map((entry: unknown, index) => parseKey(entry, `${place}.keys[${index}]`))
  if (typeof active !== 'string' || !parsed.some(({ id }) => id === active)) throw new KeyRingTextError(`${place}.active is not the id of a key in ${place.split(' ').at(-1)}.keys`, 'name the one that new values are made with')
  return { active, keys: parsed }
}

function parseKey (value: unknown, place: string): RingKey {
  const { id, created_at: createdAt, key } = asMap(value, place, ['id', 'created_at', 'key'])
  if (typeof id !== 'string' || !ID.test(id)) throw new KeyRingTextError(`${place}.id is no id`, 'use 1 to 32 characters of A-Z a-z 0-9 _ -')
  if (typeof createdAt !== 'string' || !Number.isFinite(Date.parse(createdAt))) throw new KeyRingTextError(`${place}.created_at is no time`, 'write it like 2026-11-26T12:00:00.000Z')
  const bytes = typeof key === 'string' ? Buffer.from(key, 'base64url') : null
  if (bytes === null || bytes.toString('base64url') !== key) throw new KeyRingTextError(`${place}.key is not base64url without padding`, RESTORE)
  if (bytes.length !== KEY_BYTES) throw new KeyRingTextError(`${place}.key has ${bytes.length} bytes, not ${KEY_BYTES}`, RESTORE)
  return { id, createdAt, key: createSecretKey(bytes) }
}

function asMap (value: unknown, place: string, known: readonly string[]): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new KeyRingTextError(`${place} is no map`, `it has ${known.join(', ')}`)
  if (Object.keys(value).some((key) => !known.includes(key))) throw new KeyRingTextError(`${place} has a field that is not known`, `the known ones are ${known.join(', ')}`)
  return value as Readonly<Record<string, unknown>>
}
