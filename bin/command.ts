import { CommanderError, type Command } from 'commander'
import { ConfigError, formatFinding, type Finding } from '../core/errors.js'
import { EXIT } from './exit-codes.js'
import { explainSystemError } from './system-error.js'
import { visible, type Terminal } from './terminal.js'

/** What a command can not do, and what to do about it; told in one line, without a stack. */
export class CommandError extends Error {
  readonly remedy: string
  readonly exitCode: number

  constructor (message: string, remedy: string, exitCode: number = EXIT.refused) {
    super(message)
    this.name = 'CommandError'
    this.remedy = remedy
    this.exitCode = exitCode
  }
}

/** What is thrown by `refuseMisuse`. */
const MISUSE = 'sluice.misuse'

/** Has a command end with 1 where it is called wrongly: its 2 says something else. */
export function refuseMisuse (command: Command): Command {
  return command.exitOverride((error) => { throw error.exitCode === 0 ? error : new CommanderError(EXIT.refused, MISUSE, error.message) })
}

/** The exit code for what parsing the command line threw. */
export function exitCodeOf ({ exitCode, code }: CommanderError): number {
  return exitCode === 0 ? EXIT.ok : code === MISUSE ? EXIT.refused : EXIT.usage
}

/**
 * Runs a command and gives its exit code. What it refuses is told on standard error, or with `json` as `{ ok: false, findings }` on standard
 * output. Throws on what is a bug.
 */
export async function runCommand (terminal: Terminal, json: boolean, act: () => Promise<number>): Promise<number> {
  try {
    return await act()
  } catch (error) {
    const findings = findingsOf(error)
    if (findings === null) throw error
    if (json) terminal.print(JSON.stringify({ ok: false, findings }))
    else for (const finding of findings) terminal.complain(error instanceof ConfigError ? findingLine(finding, terminal.errorColors) : `sluice: ${plainLine(finding)}`)
    return error instanceof CommandError ? error.exitCode : EXIT.refused
  }
}

function findingsOf (error: unknown): readonly Finding[] | null {
  if (error instanceof ConfigError) return error.findings
  if (error instanceof CommandError) return [{ path: [], message: error.message, remedy: error.remedy, position: null }]
  // A file or a port that the system does not give.
  if (error instanceof Error && typeof (error as NodeJS.ErrnoException).syscall === 'string') return [{ path: [], ...explainSystemError(error), position: null }]
  return null
}

function plainLine ({ message, remedy }: Finding): string {
  return visible(remedy === '' ? message : `${message} (${remedy})`)
}

/** A finding in one line, `file:line:column path: what is wrong (what to do)`. */
export function findingLine (finding: Finding, colors: Terminal['colors']): string {
  const line = visible(formatFinding(finding))
  const { position, remedy } = finding
  const place = position === undefined || position === null ? '' : visible(placeOf(position))
  const advice = remedy === '' ? '' : visible(` (${remedy})`)
  return `${colors.bold(place)}${line.slice(place.length, line.length - advice.length)}${colors.dim(advice)}`
}

/** A place as people and editors write it. */
export function placeOf (position: { file: string, line: number, column: number }): string {
  return `${position.file}:${position.line}:${position.column}`
}
