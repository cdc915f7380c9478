import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs'
import { expandGlob } from '../lib/glob.js'

/** The largest configuration file; YAML beyond it takes seconds. */
const MAX_CONFIG_BYTES = 32 * 1024 * 1024
/** The largest file that a reference, a certificate or a key may be. */
const MAX_TEXT_BYTES = 1024 * 1024

/** A file's text without byte order mark, and a hash of its content; or why it can not be used. */
export type ReadResult = { readonly text: string, readonly hash: string } | { readonly problem: string, readonly remedy: string, readonly line: number, readonly column: number }

/** Reads files for one load, each once, and remembers which. */
export interface FileReader {
  /** Absolute paths of everything that was read, or tried. */
  readonly files: ReadonlySet<string>
  readConfig (file: string): ReadResult
  /** Expands an include pattern; the folders that it looked into count as read. */
  expand (pattern: string, directory: string): string[]
  readText (file: string): { text: string } | { problem: string }
}

/** Makes a reader. It reads synchronously: a load runs at boot or off the data thread, and 10 000 small files take a fifth of the time. */
export function createFileReader (): FileReader {
  const files = new Set<string>()
  const texts = new Map<string, { text: string } | { problem: string }>()
  return {
    files,
    readConfig (file) {
      files.add(file)
      const read = readBytes(file, MAX_CONFIG_BYTES)
      return Buffer.isBuffer(read) ? decode(read) : { ...read, line: 1, column: 1 }
    },
    expand: (pattern, directory) => expandGlob(pattern, directory, files),
    readText (file) {
      files.add(file)
      let known = texts.get(file)
      if (known === undefined) {
        const read = readBytes(file, MAX_TEXT_BYTES)
        known = !Buffer.isBuffer(read) ? read : isUtf8(read) ? { text: read.toString('utf8').trim() } : { problem: 'it is not UTF-8 text' }
        texts.set(file, known)
      }
      return known
    }
  }
}

function readBytes (file: string, maxBytes: number): Buffer | { problem: string, remedy: string } {
  let descriptor: number | null = null
  try {
    // Without O_NONBLOCK, opening a pipe waits for somebody to write to it.
    descriptor = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK)
    const stat = fstatSync(descriptor)
    if (!stat.isFile()) return { problem: stat.isDirectory() ? 'it is a folder' : 'it is not a regular file', remedy: 'name a file' }
    if (stat.size > maxBytes) return { problem: `it has ${stat.size} bytes, more than the ${maxBytes} that are read`, remedy: 'split it into several files' }
    const bytes = Buffer.allocUnsafe(stat.size)
    let length = 0
    while (length < bytes.length) {
      const read = readSync(descriptor, bytes, length, bytes.length - length, null)
      if (read === 0) break
      length += read
    }
    return bytes.subarray(0, length)
  } catch (error) {
    return { problem: explain(error), remedy: 'name a file that exists and that this user may read' }
  } finally {
    if (descriptor !== null) closeSync(descriptor)
  }
}

function explain (error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException
  if (code === 'ENOENT') return 'there is no such file'
  if (code === 'EACCES' || code === 'EPERM') return 'this user may not read it'
  if (code === 'ENOTDIR') return 'a part of its path is not a folder'
  if (code === 'ELOOP') return 'its symbolic links lead round in a circle'
  return message
}

function decode (bytes: Buffer): ReadResult {
  const text = bytes.toString('utf8', bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0)
  if (!isUtf8(bytes)) return { ...placeOf(text, text.indexOf('\ufffd')), problem: 'it is not valid UTF-8', remedy: 'save it as UTF-8' }
  const nul = text.indexOf('\0')
  if (nul !== -1) return { ...placeOf(text, nul), problem: 'it holds a NUL character', remedy: 'remove it: YAML is text' }
  return { text, hash: createHash('sha256').update(bytes).digest('base64') }
}

function placeOf (text: string, offset: number): { line: number, column: number } {
  const before = text.slice(0, Math.max(offset, 0)).split(/\r\n|[\r\n]/)
  return { line: before.length, column: (before.at(-1) ?? '').length + 1 }
}
