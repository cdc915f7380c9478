/** Counts test points in a TAP stream: the leaves, not the lines that close a subtest. */
import { Parser, type FinalResults, type Result } from 'tap-parser'

/** A test point worth a line of its own. */
export interface NotedPoint {
  /** File and titles, joined with ` > `. */
  title: string
  /** Why it was skipped, or what tap knows about the failure. */
  detail: string
}

/** What a stream held so far. */
export interface Tally {
  passed: number
  failed: NotedPoint[]
  skipped: NotedPoint[]
  /** Files whose closing line was seen. */
  files: string[]
}

/** The numbers of one test file that has ended. */
export interface FileTally {
  name: string
  ok: boolean
  passed: number
  failed: number
  skipped: number
  timeMs: number
}

/** A tally that is being counted. */
export interface TallyStream {
  readonly tally: Tally
  write (chunk: string): void
  end (): void
}

const NOTHING_RAN = /no tests? found/i

/**
 * Counts a TAP stream as it comes in. `onFile` is told each file as it ends, with the numbers of that file.
 * A file or test that ran nothing counts as failed, and so does a skip for the want of a service that `required` names
 * (the reason then begins with the service and a colon).
 */
export function createTally (required: readonly string[], onFile: (file: FileTally) => void): TallyStream {
  const tally: Tally = { passed: 0, failed: [], skipped: [], files: [] }
  const parser = new Parser()
  let before = { passed: 0, failed: 0, skipped: 0 }
  let closing: Result | null = null
  let partial = ''
  parser.on('pass', () => { tally.passed++ })
  parser.on('fail', (point: Result) => { tally.failed.push({ title: point.fullname, detail: diagnose(point) }) })
  parser.on('todo', (point: Result) => { tally.skipped.push({ title: point.fullname, detail: `todo ${reasonOf(point.todo)}`.trim() }) })
  parser.on('skip', (point: Result) => {
    const noted = { title: point.fullname, detail: reasonOf(point.skip) }
    const wanted = required.some((service) => noted.detail.startsWith(`${service}:`))
    if (wanted || NOTHING_RAN.test(noted.detail)) tally.failed.push(noted)
    else tally.skipped.push(noted)
  })
  parser.on('assert', (point: Result) => { closing = point })
  parser.on('complete', (results: FinalResults) => {
    if (results.bailout !== false) tally.failed.push({ title: 'bailed out', detail: reasonOf(results.bailout) })
    else if (!results.ok && tally.failed.length === 0) tally.failed.push({ title: 'the output broke off', detail: JSON.stringify(results.failures) })
  })
  return {
    tally,
    write (chunk) {
      const lines = (partial + chunk).split('\n')
      partial = lines.pop() ?? ''
      for (const line of lines) {
        parser.write(`${line}\n`)
        reportFile()
      }
    },
    end () {
      parser.end(partial)
      reportFile()
    }
  }

  // Not from within `assert`: the parser tells of a file's own failure (a crash) only after it.
  function reportFile (): void {
    if (closing === null) return
    const { name, ok, time } = closing
    closing = null
    const now = { passed: tally.passed, failed: tally.failed.length, skipped: tally.skipped.length }
    tally.files.push(name)
    onFile({
      name,
      ok: ok && now.failed === before.failed,
      passed: now.passed - before.passed,
      failed: now.failed - before.failed,
      skipped: now.skipped - before.skipped,
      timeMs: time ?? 0
    })
    before = now
  }
}

function reasonOf (directive: boolean | string): string {
  return typeof directive === 'string' ? directive : ''
}

function diagnose (point: Result): string {
  const diag: unknown = point.diag
  if (diag === null || diag === undefined || typeof diag !== 'object') return point.tapError ?? ''
  return Object.entries(diag)
    .filter(([key]) => key !== 'stack' && key !== 'source')
    .map(([key, value]) => `${key}: ${key === 'at' ? position(value) : typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join('\n')
}

function position (at: unknown): string {
  const { fileName, lineNumber } = (at ?? {}) as { fileName?: string, lineNumber?: number }
  return fileName === undefined ? JSON.stringify(at) : `${fileName}:${lineNumber}`
}
