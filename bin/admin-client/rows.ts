import { readFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { text as textOf } from 'node:stream/consumers'
import { isMap } from '../../core/config/raw.js'
import { CommandError } from '../command.js'
import { EXIT } from '../exit-codes.js'
import { parseCsv } from './csv.js'

/** The fields of one record of a file. */
export interface Row {
  /** Where it stands: `users.csv:3`, or `users.json[2]`. */
  readonly place: string
  readonly fields: Readonly<Record<string, unknown>>
}

/** What such a file may be written in. */
export type RowFormat = 'csv' | 'ndjson' | 'json'

const FORMATS: Readonly<Record<string, RowFormat>> = { '.csv': 'csv', '.ndjson': 'ndjson', '.jsonl': 'ndjson', '.json': 'json' }

/**
 * Reads the records of a file, `-` for standard input: CSV whose first line names the fields, a JSON object a line, or a JSON array of objects. The
 * name's ending says which, where `format` does not. Throws CommandError with the place of what is wrong.
 */
export async function readRows (file: string, format: RowFormat | undefined): Promise<Row[]> {
  const kind = format ?? (file === '-' ? 'ndjson' : FORMATS[extname(file).toLowerCase()])
  if (kind === undefined) throw new CommandError(`the name of ${file} does not say what it is written in`, 'call it .csv, .ndjson or .json, or say --format', EXIT.usage)
  const text = file === '-' ? await textOf(process.stdin) : await readFile(file, 'utf8')
  const name = file === '-' ? 'standard input' : file
  const rows = kind === 'csv' ? csvRows(text, name) : kind === 'json' ? jsonRows(text, name) : lineRows(text, name)
  if (rows.length === 0) throw new CommandError(`${name} has no records`, '', EXIT.usage)
  return rows
}

function csvRows (text: string, name: string): Row[] {
  const [head, ...records] = parseCsv(text)
  const names = head?.cells ?? []
  const stray = names.find((one, index) => one === '' || names.indexOf(one) !== index)
  if (stray !== undefined) throw new CommandError(`the first line of ${name} ${stray === '' ? 'has a column without a name' : `names ${stray} twice`}`, 'it names the field of each column', EXIT.usage)
  return records.map(({ line, cells }) => {
    if (cells.length > names.length) throw new CommandError(`${name}:${line} has more cells than the first line names`, 'put cells with commas in double quotes', EXIT.usage)
    // An empty cell says nothing of its field.
    return { place: `${name}:${line}`, fields: Object.fromEntries(names.flatMap((field, index) => (cells[index] ?? '') === '' ? [] : [[field, valueOf(cells[index] as string)]])) }
  })
}

/** Cells are texts, but what can be no other thing: true, false, null, lists and maps. */
function valueOf (cell: string): unknown {
  if (!/^(?:true|false|null|\[.*\]|\{.*\})$/s.test(cell)) return cell
  try {
    return JSON.parse(cell) as unknown
  } catch {
    return cell
  }
}

function jsonRows (text: string, name: string): Row[] {
  const value = parsed(text, name)
  if (!Array.isArray(value)) throw new CommandError(`${name} is no JSON array`, 'write [ { … }, { … } ], or one object a line and call it .ndjson', EXIT.usage)
  return value.map((one, index) => rowOf(one, `${name}[${index}]`))
}

function lineRows (text: string, name: string): Row[] {
  return text.split('\n').flatMap((line, index) => line.trim() === '' ? [] : [rowOf(parsed(line, `${name}:${index + 1}`), `${name}:${index + 1}`)])
}

function parsed (text: string, place: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    throw new CommandError(`${place} is no JSON: ${(error as Error).message}`, '', EXIT.usage)
  }
}

function rowOf (value: unknown, place: string): Row {
  if (!isMap(value)) throw new CommandError(`${place} is no object with fields`, 'write { "field": … }', EXIT.usage)
  return { place, fields: value }
}
