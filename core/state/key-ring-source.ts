import { existsSync } from 'node:fs'
import { makePrivateFile, NotPrivateError, privateFileStamp, readPrivateFile, replacePrivateFile } from '../lib/private-file.js'
import { createKeyRing, type KeyRing, type RingContent } from './key-ring.js'
import { formatKeyRing, KeyRingTextError, newRingContent, parseKeyRing } from './key-ring-text.js'

/** The variable that holds a key ring as text; only the command line reads it. */
export const KEYS_VARIABLE = 'SLUICE_KEYS'

/** Where a ring may be. */
export interface KeyRingPlaces {
  /** What `SLUICE_KEYS` holds, which comes first; undefined or empty = it is not set. */
  readonly text: string | undefined
  /** The file; null = the configuration names none. */
  readonly file: string | null
  /** Whether a missing file is made: where nobody but this machine uses the store. */
  readonly make: boolean
  /** Told why the file could not be read again while the ring was in use; it goes on with what it had. */
  readonly onProblem?: (error: Error) => void
}

/** A ring, and where it comes from. */
export interface LoadedKeyRing {
  readonly ring: KeyRing
  /** `environment`, or the path of the file. */
  readonly source: string
  /** Whether the file was made just now. */
  readonly created: boolean
}

/**
 * Loads the key ring: `SLUICE_KEYS`, else the file, which is made (mode 0600) where it is missing and `make` is set; of several processes
 * that start at once one makes it, and all have its keys. A ring from a file follows the file. Throws KeyRingTextError, with the remedy,
 * where there is none, or it can not be used or be kept, or others can read it.
 */
export function loadKeyRing ({ text, file, make, onProblem }: KeyRingPlaces): LoadedKeyRing {
  if (text !== undefined && text !== '') {
    const content = parseKeyRing(text, KEYS_VARIABLE)
    return { ring: createKeyRing(() => content), source: 'environment', created: false }
  }
  if (file === null) throw new KeyRingTextError('there is no key ring, and every node of a shared store needs the same', `make one with \`sluice keyring new --file FILE\`, give that to every node, and name it in state.keyRing or hand its text over as ${KEYS_VARIABLE}`)
  if (!existsSync(file) && !make) throw new KeyRingTextError(`there is no key ring in ${file}, and every node of a shared store needs the same`, `make one with \`sluice keyring new\` on one node and copy the file to the others, or hand its text over as ${KEYS_VARIABLE}`)
  const created = !existsSync(file) && makeKeyRingFile(file, newRingContent())
  return { ring: createKeyRing(followFile(file, onProblem ?? (() => {}))), source: file, created }
}

/** Makes the file of a ring; false where there is one, which stays. Throws KeyRingTextError where it can not be kept there. */
export function makeKeyRingFile (file: string, content: RingContent): boolean {
  try {
    return makePrivateFile(file, formatKeyRing(content))
  } catch (error) {
    throw new KeyRingTextError(`the key ring can not be kept in ${file}: ${codeOf(error)}`, `let this user write there, name another file in state.keyRing, or set ${KEYS_VARIABLE}`)
  }
}

/** Puts another content into the file of a ring, at once: whoever reads it has the old or the new. Throws KeyRingTextError. */
export function replaceKeyRingFile (file: string, content: RingContent): void {
  try {
    replacePrivateFile(file, formatKeyRing(content))
  } catch (error) {
    throw new KeyRingTextError(`the key ring can not be written to ${file}: ${codeOf(error)}`, 'let this user write there; nothing was changed')
  }
}

/** Reads the file of a ring. Throws KeyRingTextError. */
export function readKeyRingFile (file: string): { content: RingContent, stamp: string } {
  try {
    const { text, stamp } = readPrivateFile(file)
    return { content: parseKeyRing(text, file), stamp }
  } catch (error) {
    if (error instanceof KeyRingTextError) throw error
    if (error instanceof NotPrivateError) throw new KeyRingTextError(error.message, 'chmod 600 it; if somebody may have read it, replace its keys with `sluice keyring rotate`')
    throw new KeyRingTextError(`the key ring can not be read from ${file}: ${codeOf(error)}`, `let this user read it, or set ${KEYS_VARIABLE}`)
  }
}

/** Gives what the file holds: one `stat` a call, and it is read when that shows a change. */
function followFile (file: string, onProblem: (error: Error) => void): () => RingContent {
  let held = readKeyRingFile(file)
  let told: string | null = null
  return () => {
    try {
      if (privateFileStamp(file) !== held.stamp) held = readKeyRingFile(file)
      told = null
    } catch (error) {
      const problem = error instanceof KeyRingTextError ? error : new KeyRingTextError(`the key ring can not be read from ${file}: ${codeOf(error)}`, 'bring the file back: its keys are used until this process ends')
      if (problem.message !== told) onProblem(problem)
      told = problem.message
    }
    return held.content
  }
}

function codeOf (error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? 'unknown'
}
