import type { Terminal } from '../terminal.js'
import { visible } from '../terminal.js'

const MAX_CELL = 60

/** Prints records as a table: one line each, the columns that any of them has. */
export function printTable (records: readonly Readonly<Record<string, unknown>>[], columns: readonly string[], { print, colors }: Terminal): void {
  const shown = columns.filter((column) => records.some((record) => record[column] !== undefined))
  const rows = records.map((record) => shown.map((column) => cut(cell(record[column]))))
  const widths = shown.map((column, index) => Math.max(column.length, ...rows.map((row) => (row[index] as string).length)))
  const line = (cells: readonly string[]): string => cells.map((text, index) => index === cells.length - 1 ? text : text.padEnd(widths[index] as number)).join('  ')
  print(colors.dim(line(shown)))
  for (const row of rows) print(line(row))
}

/** Prints one record, a field a line. */
export function printRecord (record: Readonly<Record<string, unknown>>, { print, colors }: Terminal): void {
  const width = Math.max(...Object.keys(record).map((name) => name.length))
  for (const [name, value] of Object.entries(record)) print(`${colors.dim(visible(name).padEnd(width))}  ${cell(value)}`)
}

function cell (value: unknown): string {
  if (value === null || value === undefined) return '-'
  return visible(typeof value === 'string' ? value : JSON.stringify(value))
}

function cut (text: string): string {
  return text.length > MAX_CELL ? `${text.slice(0, MAX_CELL - 1)}…` : text
}
