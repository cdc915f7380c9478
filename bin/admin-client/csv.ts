import { CommandError } from '../command.js'
import { EXIT } from '../exit-codes.js'

/** A record of a CSV file, and the line that it begins at, from 1. */
export interface CsvRecord {
  readonly line: number
  readonly cells: readonly string[]
}

/**
 * Reads CSV (RFC 4180): commas between cells, double quotes around those with commas, quotes (doubled) or line ends. Empty lines are left out, and so
 * is a byte order mark. Throws CommandError for a quote that is not closed or stands in the middle of a cell.
 */
export function parseCsv (text: string): CsvRecord[] {
  const records: CsvRecord[] = []
  let line = 1
  let begun = 1
  let cells: string[] = []
  const end = (): void => {
    if (cells.length > 1 || cells[0] !== '') records.push({ line: begun, cells })
    cells = []
  }
  // A cell, and what ends it: a comma, the end of a line, or that of the file.
  const pattern = /(?:"(?<quoted>(?:[^"]|"")*)"|(?<bare>[^",\r\n]*))(?<end>,|\r\n|\n|\r|$)/y
  const source = text.replace(/^\ufeff/, '')
  while (pattern.lastIndex < source.length || cells.length > 0) {
    const match = pattern.exec(source)?.groups
    if (match === undefined) throw new CommandError(`line ${line} has a double quote where none may be`, 'put the whole cell in double quotes, and write "" for one in it', EXIT.usage)
    const cell = match.quoted?.replaceAll('""', '"') ?? match.bare ?? ''
    line += match.quoted?.match(/\r\n|\n|\r/g)?.length ?? 0
    cells.push(cell)
    if (match.end === ',') continue
    end()
    begun = ++line
    if (match.end === '') break
  }
  return records
}
