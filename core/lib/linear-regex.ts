import { RE2JS } from 're2js'

// RE2 is linear in the text, but each character may cost up to the size of the program. With this limit the worst patterns found
// (`(a|b)*a(a|b){80}c`) take 0.1 s for a path of 8 KB, and patterns as people write them less than 0.1 ms.
const MAX_LENGTH = 1000
const MAX_PROGRAM = 250

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
    program = RE2JS.compile(pattern)
  } catch (error) {
    throw new SyntaxError(error instanceof Error ? error.message.replace(/^error parsing regexp: /, '') : String(error))
  }
  if (program.programSize() > MAX_PROGRAM) throw new SyntaxError('the pattern is too large once its repetitions are written out')
  return { pattern, test: (text) => program.testExact(text) }
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
