/** Secrets of a project's configuration: shown as keyed digests, by which a change shows, and which may be sent back in their place. */
import { isMap, type Raw, type RawMap } from '../core/config/raw.js'
import { mayBeSecret } from '../core/config/secret-places.js'
import { isSecretKey, showText } from '../core/config/secrets.js'
import type { ConfigPath, Finding } from '../core/errors.js'
import { createRedactor } from '../core/observe/redact.js'
import type { ReferencedTexts } from '../core/route.js'
import { namedEntries } from './plan/named-entries.js'

/** Makes the digest of a secret as it is shown, `sha256:` and 132 bits: keyed, because what can be guessed could be looked up otherwise. */
export type SecretDigest = (text: string) => string

type Turn = (text: string, path: ConfigPath, place: string, key: string | null) => string

const SHOWN = /^sha256:[A-Za-z0-9_-]{22}$/
const REFERENCE = /(?<!\$)\$\{secret:/
const NAME_ALONE = /^(?:[A-Za-z]{1,10} )?\$\{secret:[A-Za-z0-9_]{1,64}\}$/
const PRIVATE_KEY = /-----BEGIN [A-Z ]*PRIVATE KEY-----/
/** Texts of this length are the same by no chance. */
const NO_CHANCE = 8
const redactor = createRedactor([])

/** Whether a text is a secret's digest as `withDigests` shows it. */
export function isShownSecret (text: string): boolean {
  return SHOWN.test(text)
}

/**
 * A configuration with its secrets as digests. Shares nothing with the one that was given. `referenced`: texts that are secrets as well, with the key that
 * they stand under; a long one is one anywhere.
 */
export function withDigests (value: RawMap, digest: SecretDigest, referenced: ReferencedTexts = []): RawMap {
  const underKeys = new Set(referenced.map((one) => JSON.stringify(one)))
  const long = new Set(referenced.flatMap(([, text]) => text.length < NO_CHANCE ? [] : [text]))
  return walk(value, [], [], null, (text, _path, _place, key) => isSecret(text, key) || long.has(text) || underKeys.has(JSON.stringify([key, text])) ? digest(text) : text) as RawMap
}

/**
 * A configuration as what is never taken back may have it: digests stand for every text that may be a secret, by its name or without one. What
 * names a secret of the store stays, alone or behind a scheme.
 */
export function withDigestsOfAll (value: RawMap, digest: SecretDigest): RawMap {
  return walk(value, [], [], null, (text, path, _place, key) => isSecret(text, key) || (mayBeSecret(path) && text !== '' && !NAME_ALONE.test(text)) ? digest(text) : text) as RawMap
}

/** The secrets of configurations by their place. */
export function secretsOf (values: readonly RawMap[]): ReadonlyMap<string, readonly string[]> {
  const secrets = new Map<string, string[]>()
  const keep: Turn = (text, _path, place, key) => {
    if (!isSecret(text, key)) return text
    const there = secrets.get(place)
    if (there === undefined) secrets.set(place, [text])
    else there.push(text)
    return text
  }
  for (const value of values) walk(value, [], [], null, keep)
  return secrets
}

/** Puts secrets in the place of their digests, where the digest is that of the secret that stands there now. Any other digest is a finding: it would be taken for the secret. */
export function restoreSecrets (value: Raw, present: ReadonlyMap<string, readonly string[]>, digest: SecretDigest): { value: Raw, findings: readonly Finding[] } {
  const findings: Finding[] = []
  const restored = walk(value, [], [], null, (text, path, place, key) => {
    if (!isShownSecret(text)) return text
    const secret = present.get(place)?.find((one) => digest(one) === text)
    if (secret !== undefined) return secret
    // Elsewhere it may be any text.
    if (!isSecretName(key)) return text
    findings.push({ path, message: 'this is the digest of a secret, and not of the one that stands here now', remedy: 'write the secret itself' })
    return text
  })
  return { value: restored, findings }
}

/**
 * A copy with each text as `turn` gives it. A place is a path with the names of list entries, so that it stays where entries are moved; a list of
 * texts is one place.
 */
function walk (value: Raw, path: ConfigPath, place: readonly string[], key: string | null, turn: Turn): Raw {
  if (typeof value === 'string') return turn(value, path, place.join('\0'), key)
  if (Array.isArray(value)) {
    const names = namedEntries(value, key ?? undefined)
    return value.map((entry, index) => walk(entry, [...path, index], typeof entry === 'string' ? place : [...place, names?.[index]?.[0] ?? String(index)], key, turn))
  }
  if (!isMap(value)) return value
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, walk(inner, [...path, name], [...place, name], name, turn)]))
}

function isSecret (text: string, key: string | null): boolean {
  // What names a secret of the store is none itself.
  if (text === '' || REFERENCE.test(text)) return false
  return isSecretName(key) || PRIVATE_KEY.test(text) || showText(text, null, undefined) !== text
}

function isSecretName (key: string | null): boolean {
  return key !== null && (isSecretKey(key) || redactor.isSecret(key))
}
