import { pino } from 'pino'
import type { Logger } from '../host.js'
import { safeJson } from './json-text.js'
import { createLineWriter, type LineWriter } from './line-writer.js'
import { loggable } from './loggable.js'
import { createRedactor, REDACTED } from './redact.js'

/** How much is logged; each level includes those behind it. */
export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** The gateway's own logger: what plugins see, and what its owner needs. */
export interface GatewayLogger extends Logger {
  /** A logger whose lines all carry these fields. */
  child (fields: Readonly<Record<string, unknown>>): GatewayLogger
  /** Resolves when every line so far is written or given up. */
  flush (): Promise<void>
}

/** What a logger is made of. */
export interface LoggerOptions {
  level: LogLevel
  /** Default: standard error, so that standard output has nothing but access-log lines. */
  destination?: LineWriter
}

type Fields = Readonly<Record<string, unknown>>
type Level = 'debug' | 'info' | 'warn' | 'error'

// Secrets that come in messages and stacks, where no name gives them away: user:password@ of an address, and credentials.
const USERINFO = /(\b[a-z][a-z0-9+.-]{0,20}:\/\/)[^/\s"\\@]{0,256}:[^\s"\\@]{0,256}@/gi
const CREDENTIALS = /\b(Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{16,}/gi

/**
 * Makes the logger: one JSON line per call, never lost in the middle, control characters escaped. Values of fields with telling
 * names (`authorization`, `clientSecret`), addresses' passwords and bearer credentials are masked; an Error is logged with its
 * name, message, stack and causes. Logging never throws.
 */
export function createLogger ({ level, destination = createLineWriter({ file: null, fd: 2, chunkBytes: 0 }) }: LoggerOptions): GatewayLogger {
  const redactor = createRedactor([])
  const shown = (fields: Fields): object => {
    try {
      return loggable({ ...fields }, redactor) as object
    } catch {
      return { unloggable: true } // a getter that throws
    }
  }
  const root = pino({
    level,
    base: { pid: process.pid },
    serializers: { err: (error: unknown) => error }, // errors are plain data by then
    formatters: { level: (label) => ({ level: label }) }
  }, { write: (line: string) => { destination.write(maskLine(line)) } })
  return wrap(root, shown, destination)
}

interface PinoLike extends Record<Level, (fields: object, message: string) => void> {
  child (fields: object): PinoLike
  isLevelEnabled (level: string): boolean
}

function wrap (inner: PinoLike, shown: (fields: Fields) => object, destination: LineWriter): GatewayLogger {
  const log = (level: Level, fields: Fields, message: string): void => {
    if (inner.isLevelEnabled(level)) inner[level](shown(fields), message)
  }
  return {
    debug: (fields, message) => { log('debug', fields, message) },
    info: (fields, message) => { log('info', fields, message) },
    warn: (fields, message) => { log('warn', fields, message) },
    error: (fields, message) => { log('error', fields, message) },
    child: (fields) => wrap(inner.child(shown(fields)), shown, destination),
    flush: () => destination.flush()
  }
}

function maskLine (line: string): string {
  return safeJson(line).replace(USERINFO, `$1${REDACTED}@`).replace(CREDENTIALS, `$1 ${REDACTED}`)
}
