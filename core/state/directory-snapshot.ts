import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rename, rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import { asError } from '../lib/as-error.js'
import { createSlices } from '../lib/slices.js'
import { type DirectoryItem, directoryItems } from './directory-items.js'
import { DirectoryTables } from './directory-tables.js'
import { keyIdOf, type KeyRing } from './key-ring.js'
import { LOCAL_ACCOUNT, type Sealed } from './records.js'

// 2: configurations are sealed in it.
const FIRST_LINE = 'sluice directory 2'
const ITEMS_PER_PIECE = 500
const PLACE = { collection: 'directory_snapshot', field: 'piece' }

/** Encrypts and authenticates the pieces of a snapshot. */
export interface SnapshotSeal {
  /** The id of the key that seals now. */
  readonly keyId: string
  /** One line of text. */
  seal (text: string): string
  /** Throws for what `seal` did not give. */
  open (sealed: string): string
}

/** Seals with a key ring. */
export function createSnapshotSeal (ring: Pick<KeyRing, 'seal' | 'open' | 'content'>): SnapshotSeal {
  return {
    get keyId () { return ring.content().encryption.active },
    seal: (text) => ring.seal(LOCAL_ACCOUNT, PLACE, text),
    open: (sealed) => ring.open(LOCAL_ACCOUNT, PLACE, sealed as Sealed)
  }
}

/** A directory's tables as they were. */
export interface DirectorySnapshot {
  readonly tables: DirectoryTables
  /** The newest change in them. */
  readonly seq: number
  /** When they were last known to hold everything, in milliseconds since 1970. */
  readonly asOf: number
}

/** A snapshot can not be used: there is none, or it is torn, was changed, or was sealed by another key ring. */
export class SnapshotError extends Error {
  readonly reason: 'missing' | 'unusable'

  constructor (reason: SnapshotError['reason'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.name = 'SnapshotError'
    this.reason = reason
  }
}

interface Piece {
  /** Of which file it is, so that pieces of two files make none. */
  readonly file: string
  readonly index: number
  readonly last: boolean
  /** Of the first piece. */
  readonly head?: { readonly seq: number, readonly asOf: number }
  readonly items: readonly DirectoryItem[]
}

/**
 * Writes a snapshot in the place of the one that is there, at once: who reads finds one or the other. The file is the user's alone (0600).
 * Works in slices, so that traffic goes on. Rejects with the file system's error, and leaves the old one then.
 */
export async function writeDirectorySnapshot (path: string, { tables, seq, asOf }: DirectorySnapshot, seal: SnapshotSeal): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`
  await rm(temporary, { force: true })
  const handle = await open(temporary, 'wx', 0o600)
  try {
    const file = randomUUID()
    const slices = createSlices()
    let index = 0
    let items: DirectoryItem[] = []
    const flush = async (last: boolean): Promise<void> => {
      const piece: Piece = { file, index, last, ...index === 0 ? { head: { seq, asOf } } : {}, items }
      await handle.appendFile(`${seal.seal(JSON.stringify(piece))}\n`)
      index++
      items = []
      if (slices.due()) await slices.next()
    }
    await handle.appendFile(`${FIRST_LINE}\n`)
    for (const item of directoryItems(tables)) {
      items.push(item)
      if (items.length === ITEMS_PER_PIECE) await flush(false)
    }
    await flush(true)
    await handle.sync()
  } catch (error) {
    await handle.close()
    await rm(temporary, { force: true })
    throw error
  }
  await handle.close()
  await rename(temporary, path)
}

/** Reads a snapshot whole. Rejects with SnapshotError where it can not be used: half of one is none. */
export async function readDirectorySnapshot (path: string, seal: SnapshotSeal): Promise<DirectorySnapshot> {
  try {
    return await read(path, seal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') throw new SnapshotError('missing', `there is no snapshot of the store's directory at ${path}`)
    throw new SnapshotError('unusable', `the snapshot of the store's directory at ${path} can not be used: ${asError(error).message}`, { cause: error })
  }
}

/** The ids of the keys that a snapshot is sealed with; none where there is no snapshot. Rejects with SnapshotError where it is none. */
export async function snapshotKeyIds (path: string): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  try {
    for await (const line of sealedLines(path)) ids.add(keyIdOf(line as Sealed))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw new SnapshotError('unusable', `the snapshot of the store's directory at ${path} can not be used: ${asError(error).message}`, { cause: error })
  }
  return ids
}

async function * sealedLines (path: string): AsyncGenerator<string> {
  const stream = createReadStream(path, { encoding: 'utf8', highWaterMark: 1024 * 1024 })
  let first = true
  try {
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      if (!first) yield line
      else if (line !== FIRST_LINE) throw new Error('it is none, or one of another version')
      first = false
    }
  } finally {
    stream.destroy()
  }
}

async function read (path: string, seal: SnapshotSeal): Promise<DirectorySnapshot> {
  const tables = new DirectoryTables()
  const slices = createSlices()
  let index = 0
  let before: Piece | null = null
  let head: Piece['head']
  for await (const line of sealedLines(path)) {
    const piece = JSON.parse(seal.open(line)) as Piece
    if (piece.index !== index++ || before?.last === true || (before !== null && before.file !== piece.file)) throw new Error('its pieces do not belong together')
    for (const [collection, record] of piece.items) tables.put(collection, record as never)
    head ??= piece.head
    before = piece
    if (slices.due()) await slices.next()
  }
  if (before?.last !== true || head === undefined) throw new Error('it is torn')
  return { tables, seq: head.seq, asOf: head.asOf }
}
