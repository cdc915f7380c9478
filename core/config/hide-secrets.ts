import type { Finding } from '../errors.js'
import { secretNames } from '../lib/secret-references.js'

/** Takes what tells of secrets out of findings. */
export type HideSecrets = <F extends Finding>(findings: readonly F[]) => readonly F[]

/** Where a project names no secrets. */
export const HIDE_NOTHING: HideSecrets = (findings) => findings

// Messages cut texts off, so that a part of a value gives it away; words of this length are no chance.
const PIECE = 8

/** Hides these values, by the names of their secrets: checks of plugins quote what they complain of, whole or in part. `write`: how a name is told. */
export function hideSecrets (values: ReadonlyMap<string, string>, write = (name: string) => `\${secret:${name}}`): HideSecrets {
  if (values.size === 0) return HIDE_NOTHING
  return (findings) => findings.map((finding) => {
    const said = `${finding.message}\n${finding.remedy}`
    const text = secretNames(said).reduce((left, name) => left.replaceAll(`\${secret:${name}}`, ''), said).toLowerCase()
    const pieces = new Set(Array.from({ length: Math.max(0, text.length - PIECE + 1) }, (_, index) => text.slice(index, index + PIECE)))
    for (const [name, value] of values) {
      if (tells(text, pieces, value)) return { ...finding, message: `what "${write(name)}" gives can not be used here`, remedy: 'give the secret a value that fits this place' }
    }
    return finding
  })
}

function tells (text: string, pieces: ReadonlySet<string>, value: string): boolean {
  const secret = value.replace(/-----[A-Z ]+-----/g, '\n').toLowerCase()
  if (secret.length <= PIECE) return secret.trim() !== '' && text.includes(secret)
  for (let index = 0; index + PIECE <= secret.length; index++) if (pieces.has(secret.slice(index, index + PIECE))) return true
  return false
}
