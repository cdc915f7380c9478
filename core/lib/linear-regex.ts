import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

// Loaded by the first pattern: its tables are 1.5 MB of source, and most processes have no pattern.
const require = createRequire(import.meta.url)
let engine: typeof RE2JS | null = null

const MAX_LENGTH = 1000
const MAX_PROGRAM = 500
// RE2 is linear in the text, but each character may cost up to the size of the program. The worst pattern found (`(a|b)*a(a|b){23}c`, 80
// instructions) takes 7 ms for 8 KB once V8 has compiled the engine, 25 ms before, and twice that on a slow machine; patterns as people write
// them take less than 0.1 ms. So a large program is tried on shorter texts: `[a-z0-9-]{1,64}` has 130 instructions, and nobody means it for 8 KB.
const MAX_WORK = 56 * 8_192
/** Texts up to this length, in UTF-16 units, are tried on any pattern. */
export const TRIED_ON_ANY = Math.floor(MAX_WORK / MAX_PROGRAM)
// re2js prefers an automaton that it builds as the text makes it: four times as fast for what comes again and again, eight times as slow (150 ms
// for those 8 KB) where each character leads to a state that was never there. Longer texts, which only who is up to something sends, go
// through its simulation of all states at once, which is what asking for the bounds of the match takes.
const MAX_AUTOMATON_WORK = 80 * 512

/** A text is too long to be tried on a pattern: who asks can not be told whether it matches. */
export class TextTooLongError extends Error {
  constructor (longest: number) {
    super(`the text is longer than the ${longest} characters that the pattern may be tried on`)
    this.name = 'TextTooLongError'
  }
}

/** A compiled pattern that takes time linear in its text, whatever the text is. */
export interface LinearRegex {
  readonly pattern: string
  /** Whether the whole text matches. Throws TextTooLongError for a text that would take too long; no pattern does for one of `TRIED_ON_ANY`. */
  test (text: string): boolean
}

/** Compiles RE2 syntax, anchored on both sides. Throws SyntaxError for what RE2 does not take (back references, look-ahead) and for a pattern that is too large. */
export function compileRegex (pattern: string): LinearRegex {
  if (pattern.length > MAX_LENGTH) throw new SyntaxError(`the pattern is longer than ${MAX_LENGTH} characters`)
  let program: RE2JS
  try {
    engine ??= (require('re2js') as { RE2JS: typeof RE2JS }).RE2JS
    program = engine.compile(pattern)
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error))
  }
  const size = program.programSize()
  if (size > MAX_PROGRAM) throw new SyntaxError('the pattern is too large once its repetitions are written out')
  const longest = Math.floor(MAX_WORK / size)
  const longestForAutomaton = Math.floor(MAX_AUTOMATON_WORK / size)
  // A request may be looked up more than once (what else is allowed here, what else could its path mean).
  let lastLong = ''
  let lastMatches = false
  return {
    pattern,
    test (text) {
      if (text.length <= longestForAutomaton) return program.testExact(text)
      if (text.length > longest) throw new TextTooLongError(longest)
      if (text !== lastLong) {
        lastMatches = program.matcher(text).matches()
        lastLong = text
      }
      return lastMatches
    }
  }
}

/** What is wrong with a pattern, or null. */
export function regexProblem (pattern: string): string | null {
  try {
    compileRegex(pattern)
    return null
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
