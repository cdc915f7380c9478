import type { HeaderList } from '../lib/header-list.js'
import { jsonText } from './json-text.js'
import { asciiPiece, LineBytes } from './line-bytes.js'
import { createLineWriter, type LineWriter } from './line-writer.js'
import { RecordPieces } from './record-pieces.js'
import { createRedactor, REDACTED, type Redactor } from './redact.js'
import { sampled } from './sampled.js'

/** What is known of a request when its last byte is out. Times and durations in milliseconds. */
export interface AccessRecord {
  /** When the request came in, since 1970. */
  time: number
  requestId: string
  /** The client's address. */
  client: string
  method: string
  scheme: string
  host: string
  path: string
  /** Without `?`; values of redacted keys are masked here, not by the caller. */
  query: string
  /** 0 when the client went before there was a status. */
  status: number
  complete: boolean
  durationMs: number
  upstreamMs: number | null
  target: string | null
  bytesIn: number
  bytesOut: number
  project: string | null
  route: string | null
  consumer: string | null
  errorCode: string | null
  errorReason: string | null
  userAgent: string | null
  httpVersion: string
  /** What steps annotated. */
  fields: Readonly<Record<string, string | number | boolean>> | null
  /** The request's, where `headers` of the config names some. */
  headers?: HeaderList | null
}

/** What the access log is told by the configuration. */
export interface AccessLogConfig {
  /** The share of requests that is logged, 0 to 1. */
  sample: number
  /** Header names, query keys and annotations whose values are masked, beside those that always are. */
  redact: readonly string[]
  /** Null = standard output. */
  file: string | null
  /** Request headers that each record shows. */
  headers?: readonly string[]
}

/** The log of requests: one JSON line each. */
export interface AccessLog {
  /**
   * Logs a request, unless sampling leaves it out (never a 5xx). `sample` is the route's or project's, in place of the config's.
   * Neither throws nor waits.
   */
  record (entry: AccessRecord, sample?: number): void
  flush (): Promise<void>
  /** Opens the file anew, after a rotation. */
  reopen (): void
  close (): Promise<void>
  /** Lines that could not be written. */
  readonly dropped: number
}

const MAX_TARGET = 4096
const MAX_TEXT = 512

/** Lines composed together find the code and the tables in the caches: between two requests each of them costs several times as much. */
const BATCH = 128

/**
 * Opens the access log. Throws Error with the remedy where its file can not be opened. Long values are cut (path and query at
 * 4096 characters, others at 512) and end in `…`, so that a client can not fill the disk with its headers. Records are kept as they
 * are and composed `batch` at a time, or when the destination is about to write.
 */
export function createAccessLog (config: AccessLogConfig, destination: LineWriter = createLineWriter({ file: config.file }), batch = BATCH): AccessLog {
  const redactor = createRedactor(config.redact)
  const headers = (config.headers ?? []).map((name) => name.toLowerCase())
  const { sample: defaultSample } = config
  const line = new LineBytes('{"type":"access","time":')
  const pieces = new RecordPieces()
  const records: AccessRecord[] = []
  let most = batch
  const compose = (): void => {
    for (const record of records) {
      composeRecord(line, record, pieces, redactor, headers)
      destination.write(line.composed)
    }
    records.length = 0
  }
  destination.beforeWriting = compose
  return {
    record (entry, sample = defaultSample) {
      if (sample < 1 && entry.status < 500 && !sampled(entry.requestId, sample)) return
      records.push(entry)
      if (records.length >= most) compose()
    },
    flush: () => destination.flush(),
    reopen: () => { destination.reopen() },
    close: () => {
      most = 1 // what comes later is dropped, and counted
      return destination.close()
    },
    get dropped () { return destination.dropped }
  }
}

const REQUEST_ID = asciiPiece(',"requestId":')
const CLIENT = asciiPiece(',"client":')
const HOST = asciiPiece(',"host":')
const PATH = asciiPiece(',"path":')
const QUERY = asciiPiece(',"query":')
const UPSTREAM = asciiPiece(',"upstreamMs":')
const NO_UPSTREAM = asciiPiece(',"upstreamMs":null')
const BYTES_IN = asciiPiece(',"bytesIn":')
const BYTES_OUT = asciiPiece(',"bytesOut":')
const NO_BYTES_IN = asciiPiece(',"bytesIn":0,"bytesOut":')
const CONSUMER = asciiPiece(',"consumer":')
const ERROR_CODE = asciiPiece(',"errorCode":')
const ERROR_REASON = asciiPiece(',"errorReason":')
const USER_AGENT = asciiPiece(',"userAgent":')
const NO_CONSUMER_OR_ERROR = asciiPiece(',"consumer":null,"errorCode":null,"errorReason":null,"userAgent":')
const NULL = asciiPiece('null')
const END = asciiPiece('}\n')

/** Composes a record as one line of JSON with its line feed. What many lines share comes in pieces as large as can be. */
function composeRecord (line: LineBytes, entry: AccessRecord, pieces: RecordPieces, redactor: Redactor, headers: readonly string[]): void {
  line.begin(entry.time)
  line.piece(REQUEST_ID); line.text(short(entry.requestId))
  line.piece(CLIENT); line.text(short(entry.client))
  line.piece(pieces.protocol(short(entry.method), entry.scheme, entry.httpVersion))
  line.piece(HOST); line.text(short(entry.host))
  line.piece(PATH); line.text(redactor.path(cut(entry.path, MAX_TARGET)))
  line.piece(QUERY); line.text(redactor.query(cut(entry.query, MAX_TARGET)))
  line.piece(pieces.status(entry.status, entry.complete)); line.milliseconds(entry.durationMs)
  if (entry.upstreamMs === null) line.piece(NO_UPSTREAM)
  else { line.piece(UPSTREAM); line.milliseconds(entry.upstreamMs) }
  line.piece(pieces.place(entry.project, entry.route, entry.target))
  if (entry.bytesIn === 0) line.piece(NO_BYTES_IN)
  else { line.piece(BYTES_IN); line.integer(entry.bytesIn); line.piece(BYTES_OUT) }
  line.integer(entry.bytesOut)
  if (entry.consumer === null && entry.errorCode === null && entry.errorReason === null) line.piece(NO_CONSUMER_OR_ERROR)
  else {
    line.piece(CONSUMER); addNullable(line, entry.consumer)
    line.piece(ERROR_CODE); addNullable(line, entry.errorCode)
    line.piece(ERROR_REASON); addNullable(line, entry.errorReason)
    line.piece(USER_AGENT)
  }
  line.piece(entry.userAgent === null ? NULL : pieces.text(short(entry.userAgent)))
  if (entry.fields !== null || headers.length > 0) line.raw(fieldsJson(entry.fields, redactor) + headersJson(entry.headers, headers, redactor))
  line.piece(END)
}

function fieldsJson (fields: AccessRecord['fields'], redactor: Redactor): string {
  if (fields === null) return ''
  let json = ''
  for (const [name, value] of Object.entries(fields)) {
    json += `${json === '' ? '' : ','}${jsonText(short(name))}:${redactor.isSecret(name) ? `"${REDACTED}"` : fieldJson(value)}`
  }
  return `,"fields":{${json}}`
}

/** By its type at run time: an author's plugin may be JavaScript, and no value of it may break the line. */
function fieldJson (value: unknown): string {
  if (typeof value === 'string') return jsonText(short(value))
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : 'null'
}

function headersJson (list: HeaderList | null | undefined, names: readonly string[], redactor: Redactor): string {
  if (list === null || list === undefined || names.length === 0) return ''
  let json = ''
  for (const name of names) {
    const value = list.joined(name)
    if (value !== undefined) json += `${json === '' ? '' : ','}${jsonText(short(name))}:${redactor.isSecret(name) ? `"${REDACTED}"` : jsonText(short(value))}`
  }
  return `,"headers":{${json}}`
}

function addNullable (line: LineBytes, text: string | null): void {
  if (text === null) line.piece(NULL)
  else line.text(short(text))
}

function short (text: string): string {
  return text.length > MAX_TEXT ? cut(text, MAX_TEXT) : text
}

function cut (text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text
}
