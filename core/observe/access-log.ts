import type { HeaderList } from '../lib/header-list.js'
import { jsonText } from './json-text.js'
import { createLineWriter, type LineWriter } from './line-writer.js'
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

/**
 * Opens the access log. Throws Error with the remedy where its file can not be opened. Long values are cut (path and query at
 * 4096 characters, others at 512) and end in `…`, so that a client can not fill the disk with its headers.
 */
export function createAccessLog (config: AccessLogConfig, destination: LineWriter = createLineWriter({ file: config.file })): AccessLog {
  const redactor = createRedactor(config.redact)
  const headers = (config.headers ?? []).map((name) => name.toLowerCase())
  const { sample: defaultSample } = config
  return {
    record (entry, sample = defaultSample) {
      if (sample < 1 && entry.status < 500 && !sampled(entry.requestId, sample)) return
      destination.write(formatRecord(entry, redactor, headers))
    },
    flush: () => destination.flush(),
    reopen: () => { destination.reopen() },
    close: () => destination.close(),
    get dropped () { return destination.dropped }
  }
}

/** A record as one line of JSON with its line feed. */
function formatRecord (entry: AccessRecord, redactor: Redactor, headers: readonly string[]): string {
  const line = `{"type":"access","time":${entry.time},"requestId":${short(entry.requestId)},"client":${repeated(entry.client)},"method":${repeated(entry.method)}` +
    `,"scheme":"${entry.scheme}","host":${repeated(entry.host)},"path":${jsonText(redactor.path(cut(entry.path, MAX_TARGET)))}` +
    `,"query":${entry.query === '' ? '""' : jsonText(redactor.query(cut(entry.query, MAX_TARGET)))},"status":${entry.status},"complete":${entry.complete}` +
    `,"durationMs":${milliseconds(entry.durationMs)},"upstreamMs":${entry.upstreamMs === null ? 'null' : milliseconds(entry.upstreamMs)}` +
    `,"target":${nullable(entry.target)},"bytesIn":${entry.bytesIn},"bytesOut":${entry.bytesOut},"project":${nullable(entry.project)}` +
    `,"route":${nullable(entry.route)},"consumer":${nullable(entry.consumer)},"errorCode":${nullable(entry.errorCode)}` +
    `,"errorReason":${nullable(entry.errorReason)},"userAgent":${nullable(entry.userAgent)},"httpVersion":"${entry.httpVersion}"`
  if (entry.fields === null && headers.length === 0) return line + '}\n'
  return `${line}${fieldsJson(entry.fields, redactor)}${headersJson(entry.headers, headers, redactor)}}\n`
}

function fieldsJson (fields: AccessRecord['fields'], redactor: Redactor): string {
  if (fields === null) return ''
  let json = ''
  for (const [name, value] of Object.entries(fields)) {
    json += `${json === '' ? '' : ','}${short(name)}:${redactor.isSecret(name) ? `"${REDACTED}"` : fieldJson(value)}`
  }
  return `,"fields":{${json}}`
}

/** By its type at run time: an author's plugin may be JavaScript, and no value of it may break the line. */
function fieldJson (value: unknown): string {
  if (typeof value === 'string') return short(value)
  if (typeof value === 'boolean') return value ? 'true' : 'false'
  return typeof value === 'number' && Number.isFinite(value) ? String(value) : 'null'
}

function headersJson (list: HeaderList | null | undefined, names: readonly string[], redactor: Redactor): string {
  if (list === null || list === undefined || names.length === 0) return ''
  let json = ''
  for (const name of names) {
    const value = list.joined(name)
    if (value !== undefined) json += `${json === '' ? '' : ','}${short(name)}:${redactor.isSecret(name) ? `"${REDACTED}"` : short(value)}`
  }
  return `,"headers":{${json}}`
}

function nullable (text: string | null): string {
  return text === null ? 'null' : repeated(text)
}

// Names of the configuration, hosts, addresses, clients' programs: few, and in every line.
const rendered = new Map<string, string>()
const MAX_RENDERED = 4_096

/** `short` of a text that will come again. */
function repeated (text: string): string {
  const known = rendered.get(text)
  if (known !== undefined) return known
  const json = short(text)
  if (rendered.size >= MAX_RENDERED) rendered.clear()
  if (text.length <= MAX_TEXT) rendered.set(text, json)
  return json
}

function short (text: string): string {
  return jsonText(text.length > MAX_TEXT ? cut(text, MAX_TEXT) : text)
}

function cut (text: string, max: number): string {
  return text.length > max ? `${text.slice(0, max)}…` : text
}

/** Three decimals, made of integers: printing a double costs four times as much. */
function milliseconds (ms: number): string {
  const micros = Math.round(ms * 1000)
  if (!(micros >= 0 && micros < 0x7fffffff)) return Number.isFinite(ms) ? String(Math.round(ms)) : '0'
  const whole = (micros / 1000) | 0
  const rest = micros - whole * 1000
  if (rest === 0) return `${whole}`
  return rest > 99 ? `${whole}.${rest}` : rest > 9 ? `${whole}.0${rest}` : `${whole}.00${rest}`
}
