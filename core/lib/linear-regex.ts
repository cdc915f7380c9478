import { createRequire } from 'node:module'
import type { RE2JS } from 're2js'

// Loaded by the first pattern: its tables are 1.5 MB of source, and most processes have no pattern.
const require = createRequire(import.meta.url)
let engine: typeof RE2JS | null = null

// RE2 is linear in the text, but each character may cost up to the size of the program. With this limit the worst pattern found
// (`(a|b)*a(a|b){23}c`) takes 20 ms for a path of 8 KB on a slow machine, and patterns as people write them less than 0.1 ms.
const MAX_LENGTH = 1000
const MAX_PROGRAM = 80
// re2js prefers an automaton that it builds as the text makes it: four times as fast for what comes again and again, eight times as slow (150 ms
// for those 8 KB) where each character leads to a state that was never there. Longer texts, which only who is up to something sends, go
// through its simulation of all states at once, which is what asking for the bounds of the match takes.
const MAX_AUTOMATON_TEXT = 512

/** A compiled pattern that takes time linear in its text, whatever the text is. */
export interface LinearRegex {
  readonly pattern: string
  /** Whether the whole text matches. */
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
  if (program.programSize() > MAX_PROGRAM) throw new SyntaxError('the pattern is too large once its repetitions are written out')
  // A request may be looked up more than once (what else is allowed here, what else could its path mean).
  let lastLong = ''
  let lastMatches = false
  return {
    pattern,
    test (text) {
      if (text.length <= MAX_AUTOMATON_TEXT) return program.testExact(text)
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
