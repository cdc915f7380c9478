import { isDeepStrictEqual } from 'node:util'
import { parse } from 'yaml'
import type { TextProblem } from './syntax-problems.js'

// The second parser takes 1.5 s per megabyte.
const MAX_LENGTH_TO_COMPARE = 500_000
const EMPTY_ITEM = /^[ ]*(?:[-?:][ \t]+)*-[ \t]*(?:#.*)?$/gm
const NEXT_ITEM = /\s*(?:#.*\s*)*^([ ]*)-(?=\s|$)/my

/**
 * Finds the empty list item that js-yaml reads wrongly: after a bare `-` that ends an inner list it takes the next item of the
 * outer list for one more of the inner one (`readBlockSequence` goes on without a look at the indentation). Whether a place is one is
 * decided by reading the text with the second parser, since lines like these may also stand inside of a block of text; a text too large
 * for that is refused.
 */
export function findMisreadItem (text: string, value: unknown): TextProblem | null {
  const at = firstSuspect(text)
  if (at === -1) return null
  if (text.length <= MAX_LENGTH_TO_COMPARE && readsTheSame(text, value)) return null
  const above = text.slice(0, at).split(/\r\n|[\r\n]/)
  return { line: above.length, column: (above.at(-1) as string).length + 1, message: 'a list item with nothing in it ends an inner list', remedy: 'write "- null", or leave the item out' }
}

/** Offset of the first bare dash behind which an item of an outer list comes; -1 where there is none. */
function firstSuspect (text: string): number {
  EMPTY_ITEM.lastIndex = 0
  for (let found = EMPTY_ITEM.exec(text); found !== null; found = EMPTY_ITEM.exec(text)) {
    const line = found[0].replace(/#.*/, '')
    const dash = line.lastIndexOf('-')
    NEXT_ITEM.lastIndex = found.index + found[0].length
    const follower = NEXT_ITEM.exec(text)
    if (follower !== null && (follower[1] as string).length < dash) return found.index + dash
  }
  return -1
}

function readsTheSame (text: string, value: unknown): boolean {
  try {
    return isDeepStrictEqual(parse(text, { merge: true, logLevel: 'silent', maxAliasCount: -1 }), value)
  } catch {
    return false
  }
}
