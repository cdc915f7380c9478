import { createHash, type Hash } from 'node:crypto'
import { createReadStream, createWriteStream } from 'node:fs'
import { rename, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { pipeline } from 'node:stream/promises'
import { createGunzip, createGzip } from 'node:zlib'
import { ID_FIELDS, type CollectionName } from './records.js'
import type { UsageDay } from './store.js'
import { BackupError } from './store-errors.js'

/** The first line of a backup. */
export interface BackupHeader {
  readonly sluice_backup: 1
  /** The format of its records: how many migrations had been applied. */
  readonly format: number
  readonly created_at: string
  readonly engine: 'embedded' | 'mongodb'
  /** The number of the newest change when it was begun: what was changed while it was made comes behind, again. */
  readonly seq: number
  /** Settings of the store that belong to its records. */
  readonly settings: Readonly<Record<string, string>>
}

/** A record, in the order of changes; null = it was removed, and its id stays taken. */
export interface RecordLine {
  readonly seq: number
  readonly collection: CollectionName
  readonly id: string
  readonly customer_id: string
  readonly rev: number
  readonly record: Readonly<Record<string, unknown>> | null
}

/** One thing that is kept. */
export type BackupLine = RecordLine | { readonly usage: UsageDay, readonly customer_id: string }

/** The last line: how many there are between it and the first, and the SHA-256 of all before it. */
interface BackupTrailer {
  readonly lines: number
  readonly sha256: string
}

/**
 * Writes a backup: gzip of one JSON text in each line, readable by the user alone. It has its name only when it is whole: before, it is
 * `PATH.part`. Gives how many lines there are.
 */
export async function writeBackup (path: string, header: BackupHeader, lines: AsyncIterable<BackupLine>): Promise<number> {
  const part = `${path}.part`
  const hash = createHash('sha256')
  let count = 0
  async function * text (): AsyncGenerator<string> {
    yield hashed(hash, header)
    for await (const line of lines) {
      count += 1
      yield hashed(hash, line)
    }
    yield `${JSON.stringify({ lines: count, sha256: hash.digest('hex') } satisfies BackupTrailer)}\n`
  }
  try {
    await pipeline(text, createGzip(), createWriteStream(part, { mode: 0o600, flush: true }))
    await rename(part, path)
    return count
  } catch (error) {
    await rm(part, { force: true })
    throw error
  }
}

function hashed (hash: Hash, line: object): string {
  const text = `${JSON.stringify(line)}\n`
  hash.update(text)
  return text
}

/** A backup that was read to its end. */
export interface VerifiedBackup {
  readonly header: BackupHeader
  readonly lines: number
  /** Of records that were changed while it was made, by `keyOfLine`: the number of the change that counts. */
  readonly newest: ReadonlyMap<string, number>
}

/** What names a record among all. */
export function keyOfLine ({ collection, id }: RecordLine): string {
  return `${collection}\n${id}`
}

/** Reads the whole of a backup. Rejects with BackupError where it is torn, was changed, or is none. */
export async function verifyBackup (path: string): Promise<VerifiedBackup> {
  const hash = createHash('sha256')
  let header: BackupHeader | null = null
  let trailer: BackupTrailer | null = null
  const newest = new Map<string, number>()
  let lines = 0
  for await (const text of textLines(path)) {
    if (trailer !== null) throw new BackupError(path, 'something stands behind its end')
    const value: object = parsed(path, text)
    if (header === null) {
      if (!isHeader(value)) throw new BackupError(path, 'it is no backup that this version knows')
      header = value
    } else if ('sha256' in value) {
      trailer = value as BackupTrailer
      continue
    } else {
      if (!isBackupLine(value)) throw new BackupError(path, `line ${lines + 2} holds nothing that a store keeps`)
      lines += 1
      const line: BackupLine = value
      if (!('usage' in line) && line.seq > header.seq) newest.set(keyOfLine(line), line.seq)
    }
    hash.update(`${text}\n`)
  }
  if (header === null || trailer === null) throw new BackupError(path, 'its end is missing')
  if (trailer.lines !== lines || trailer.sha256 !== hash.digest('hex')) throw new BackupError(path, 'it was changed: its checksum is another')
  return { header, lines, newest }
}

/** The lines of a backup that was verified, less the first and the last, each with how many characters of JSON it has. */
export async function * readBackup (path: string): AsyncGenerator<{ readonly line: BackupLine, readonly length: number }> {
  for await (const text of textLines(path)) {
    const value = parsed(path, text)
    if (isBackupLine(value)) yield { line: value, length: text.length }
  }
}

function isHeader (value: object): value is BackupHeader {
  const { sluice_backup: kind, format, seq, settings } = value as Readonly<Record<string, unknown>>
  return kind === 1 && Number.isInteger(format) && Number.isInteger(seq) && typeof settings === 'object' && settings !== null && Object.values(settings).every((each) => typeof each === 'string')
}

function isBackupLine (value: object): value is BackupLine {
  const { seq, collection, id, customer_id: customerId, rev, record, usage } = value as Readonly<Record<string, unknown>>
  if (typeof customerId !== 'string') return false
  if (usage !== undefined) return typeof usage === 'object' && usage !== null
  return typeof collection === 'string' && Object.hasOwn(ID_FIELDS, collection) && typeof id === 'string' && Number.isInteger(rev) && Number.isInteger(seq) && typeof record === 'object'
}

function parsed (path: string, text: string): object {
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === 'object' && value !== null) return value
  } catch {}
  throw new BackupError(path, 'a line of it is no JSON')
}

async function * textLines (path: string): AsyncGenerator<string> {
  const source = createReadStream(path)
  const unzipped = createGunzip()
  // What fails first ends both, and the reader of lines is told by the stream that it reads.
  const piping = pipeline(source, unzipped).catch((error: unknown) => error as NodeJS.ErrnoException)
  try {
    yield * createInterface({ input: unzipped, crlfDelay: Infinity })
  } catch {}
  const error = await piping
  if (error instanceof Error && error.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw error.syscall === undefined ? new BackupError(path, `it can not be unpacked: ${error.message}`) : error
}
