import type { YAMLException } from 'js-yaml'
import { LineCounter, parseDocument } from 'yaml'

/** Something that is wrong with a file's text. Lines and columns count from 1. */
export interface TextProblem {
  readonly line: number
  readonly column: number
  readonly message: string
  readonly remedy: string
}

// The slow parser reports every error, not the first, at 1.5 s per megabyte.
const MAX_LENGTH_FOR_ALL = 500_000
const MAX_PROBLEMS = 100

/** What is wrong with a text that js-yaml did not take: every error where the text is small, else the first. */
export function explainSyntax (text: string, failure: YAMLException, maxDepth: number): TextProblem[] {
  const first = fromMark(failure, maxDepth)
  const all = text.length > MAX_LENGTH_FOR_ALL || /^nesting exceeded|^merge keys exceeded/.test(failure.reason) ? [] : fromDocument(text)
  return withReferences(text, all.length === 0 ? [first] : all)
}

function fromMark (failure: YAMLException, maxDepth: number): TextProblem {
  // An error about the stream as a whole (more than one document) has no mark, whatever the types say.
  const mark = failure.mark as YAMLException['mark'] | undefined
  const at = { line: (mark?.line ?? 0) + 1, column: (mark?.column ?? 0) + 1 }
  if (/^nesting exceeded/.test(failure.reason)) return { ...at, message: 'the file nests too deeply', remedy: `nest at most ${maxDepth} levels` }
  return { ...at, message: `this is not YAML: ${failure.reason ?? failure.message}`, remedy: remedyFor(failure.reason ?? failure.message) }
}

function fromDocument (text: string): TextProblem[] {
  const lines = new LineCounter()
  let errors: readonly { code: string, message: string, pos: readonly [number, number] }[]
  try {
    errors = parseDocument(text, { merge: true, lineCounter: lines, prettyErrors: false, logLevel: 'silent' }).errors
  } catch {
    // It recurses, and a text may nest deeper than the stack.
    return []
  }
  return errors.slice(0, MAX_PROBLEMS).map(({ code, message, pos }) => {
    const { line, col } = lines.linePos(pos[0])
    return { line: Math.max(line, 1), column: Math.max(col, 1), message: code === 'DUPLICATE_KEY' ? 'this key stands twice in one map' : `this is not YAML: ${lowerFirst(message)}`, remedy: remedyFor(code) }
  })
}

function lowerFirst (message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1).replace(/\.$/, '')
}

function remedyFor (what: string): string {
  if (/duplicate/i.test(what)) return 'name each key once'
  if (/tab/i.test(what)) return 'indent with spaces'
  if (/indent/i.test(what)) return 'line keys of one map up in one column'
  if (/multiple_docs|single document/i.test(what)) return 'keep one document per file, without a "---" line inside'
  if (/alias/i.test(what)) return 'define the anchor (&name) before the alias (*name)'
  if (/tag/i.test(what)) return 'leave tags (!) out'
  return 'look for a missing quote, bracket or colon here or just above'
}

/**
 * A bare `${` in a flow collection opens a map, and the parsers say odd things about it: on a line that has one, one plain
 * sentence replaces what they say.
 */
function withReferences (text: string, problems: readonly TextProblem[]): TextProblem[] {
  const lines = text.split(/\r\n|[\r\n]/)
  const seen = new Set<number>()
  const result: TextProblem[] = []
  for (const problem of problems) {
    const columns = bareReferences(lines[problem.line - 1] ?? '')
    if (columns.length === 0) result.push(problem)
    else if (!seen.has(problem.line)) {
      for (const column of columns) result.push({ line: problem.line, column, message: 'a bare "${" can not stand in [ ] or { }', remedy: 'quote it: "${NAME}"' })
    }
    seen.add(problem.line)
  }
  return result
}

/** Columns (from 1) of `${` outside of quotes where a flow collection may be: behind a bracket, or with no key before it on its line. */
function bareReferences (line: string): number[] {
  const columns: number[] = []
  let quote = ''
  let inFlow = true
  for (let i = 0; i < line.length; i++) {
    const char = line[i] as string
    const before = line[i - 1] ?? ' '
    if (quote !== '') {
      if (quote === '"' && char === '\\') i++
      else if (char === quote) quote = ''
    } else if ((char === '"' || char === "'") && /[\s[{,:(]/.test(before)) quote = char
    else if (char === '#' && /\s/.test(before)) break
    else if (char === '$' && line[i + 1] === '{') {
      if (inFlow) columns.push(i + 1)
      i++
    } else if (char === '[' || char === '{') inFlow = true
    else if (char === ':' && columns.length === 0) inFlow = /[[{]/.test(line.slice(0, i))
  }
  return columns
}
