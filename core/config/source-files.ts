import { statSync } from 'node:fs'
import path from 'node:path'
import type { ConfigPath, Position } from '../errors.js'
import { isGlob } from '../lib/glob.js'
import type { FileReader } from './file-reader.js'
import { createFindingList, type Draft, type FindingList } from './findings.js'
import { parseYaml, type ParsedYaml } from './parse-yaml.js'
import { isMap, type RawMap } from './raw.js'
import { fileReferences, resolveReferences, type Originals } from './references.js'
import { indexPositions, type PositionIndex } from './yaml-positions.js'

/** One file of a configuration, references resolved. */
export interface SourceFile {
  /** Absolute. */
  readonly file: string
  readonly value: RawMap
  /** The place of a path within this file. */
  position (path: ConfigPath, onKey: boolean): Position
}

/** What loading the files takes. */
export interface SourceOptions {
  /** The root file, as the user named it. */
  readonly file: string
  readonly environment: string | null
  readonly env: Readonly<Record<string, string | undefined>>
  /** Whether what is read goes to the store, which has secrets of its own; default false. */
  readonly forStore?: boolean
  readonly reader: FileReader
  /** Parsed files of the last load, by content. */
  readonly known: ReadonlyMap<string, ParsedYaml>
}

/** The files of a configuration, the root first. */
export interface SourceFiles {
  readonly files: readonly SourceFile[]
  /** Whether every file could be read and parsed. */
  readonly complete: boolean
  readonly parsed: Map<string, ParsedYaml>
}

// A chain longer than this is a mistake, and each link of it is a call.
const MAX_INCLUDE_DEPTH = 50

interface Place { readonly source: SourceFile, readonly path: ConfigPath }

/** Reads a configuration's root file and everything that it includes. What is wrong with a file becomes a finding, and the file is left out. */
export function loadSourceFiles (options: SourceOptions, originals: Originals, findings: FindingList): SourceFiles {
  const { reader, known } = options
  const root = path.resolve(options.file)
  // Findings name files as the user did: from where he stands, or absolute.
  const show = (file: string): string => path.isAbsolute(options.file) ? file : path.relative(process.cwd(), file) || '.'
  const files: SourceFile[] = []
  const parsed = new Map<string, ParsedYaml>()
  const loaded = new Set<string>()
  let complete = true

  function fail (finding: Draft): void {
    complete = false
    findings.add(finding)
  }

  function loadFile (file: string, from: Place | null, chain: readonly string[]): void {
    const identity = identify(file)
    if (chain.includes(identity)) {
      if (from !== null) fail({ path: from.path, position: from.source.position(from.path, false), message: `the include leads back to ${show(file)}`, remedy: 'include each file from one place; narrow a pattern that matches its own file' })
      return
    }
    if (loaded.has(identity)) return
    if (chain.length > MAX_INCLUDE_DEPTH && from !== null) {
      fail({ path: from.path, position: from.source.position(from.path, false), message: `the includes nest more than ${MAX_INCLUDE_DEPTH} files deep`, remedy: 'include files from fewer levels' })
      return
    }
    loaded.add(identity)
    const source = readSource(file, from)
    if (source === null) return
    files.push(source)
    for (const { file: included, at } of includesOf(source)) loadFile(included, { source, path: at }, [...chain, identity])
  }

  function readSource (file: string, from: Place | null): SourceFile | null {
    const read = reader.readConfig(file)
    if ('problem' in read) {
      const missing = from !== null && read.line === 1 && read.column === 1
      fail(missing
        ? { path: from.path, position: from.source.position(from.path, false), message: `${show(file)} can not be used: ${read.problem}`, remedy: read.remedy }
        : { path: [], position: { file: show(file), line: read.line, column: read.column }, message: `the file can not be used: ${read.problem}`, remedy: read.remedy })
      return null
    }
    const content = parsed.get(read.hash) ?? known.get(read.hash) ?? parseYaml(read.text)
    parsed.set(read.hash, content)
    if (content.problems !== null) {
      for (const { line, column, message, remedy } of content.problems) fail({ path: [], position: { file: show(file), line, column }, message, remedy })
      return null
    }
    const position = positionsOf(read.text, show(file))
    if (!isMap(content.value)) {
      fail({ path: [], position: position([], false), message: `a configuration is a map of keys, and this is ${Array.isArray(content.value) ? 'a list' : 'a single value'}`, remedy: 'begin with a key like "listen:" or "projects:"' })
      return null
    }
    for (const place of content.scan.notFinite) findings.add({ path: place, position: position(place, false), message: 'a number has to be finite', remedy: 'write one with digits' })
    for (const place of content.scan.forbidden) findings.add({ path: place, position: position(place, true), message: 'unknown key "__proto__"', remedy: 'remove it' })
    // What other environments refer to need not be there.
    const references = content.scan.references.filter((place) => place[0] !== 'environments' || place[1] === options.environment)
    if (references.length === 0) return { file, value: content.value, position }
    const unresolved = createFindingList()
    const sources = { env: options.env, forStore: options.forStore ?? false, readText: (name: string) => reader.readText(path.resolve(path.dirname(file), name)) }
    const value = resolveReferences(content.value, references, fileReferences(sources, unresolved), originals) as RawMap
    for (const finding of unresolved.items) findings.add({ ...finding, position: position(finding.path, false) })
    return { file, value, position }
  }

  function includesOf (source: SourceFile): { file: string, at: ConfigPath }[] {
    const { include } = source.value
    if (include === undefined) return []
    if (!Array.isArray(include) || include.some((pattern) => typeof pattern !== 'string' || pattern === '')) {
      fail({ path: ['include'], position: source.position(['include'], true), message: 'include is a list of file patterns, and this is something else', remedy: 'write for example: include: [ "projects/*.yaml" ]' })
      return []
    }
    const directory = path.dirname(source.file)
    return include.flatMap((pattern, index) => {
      if (typeof pattern !== 'string') return []
      return (isGlob(pattern) ? reader.expand(pattern, directory) : [path.resolve(directory, pattern)]).map((file) => ({ file, at: ['include', index] }))
    })
  }

  loadFile(root, null, [])
  return { files, complete, parsed }
}

/** The file behind its links: two names of one file are one include. Asking for its number takes a third of what resolving the links does. */
function identify (file: string): string {
  try {
    const stats = statSync(file, { throwIfNoEntry: false })
    return stats === undefined ? file : `${stats.dev}:${stats.ino}`
  } catch {
    return file
  }
}

/** Positions are read when the first finding asks: it costs another parse. */
function positionsOf (text: string, file: string): SourceFile['position'] {
  let index: PositionIndex | null = null
  return (path, onKey) => {
    index ??= indexPositions(text)
    return { file, ...index.locate(path, onKey) }
  }
}
