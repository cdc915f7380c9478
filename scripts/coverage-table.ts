/** Turns istanbul's `coverage-final.json` into a table of statements, by source file. */

/** The part of istanbul's record of one file that the table needs. */
export interface FileCoverage {
  path: string
  statementMap: Readonly<Record<string, { start: { line: number }, end: { line: number } }>>
  s: Readonly<Record<string, number>>
}

/** Statement coverage of all files, with one printable line for each that is not complete. */
export interface CoverageTable {
  files: number
  covered: number
  total: number
  lines: string[]
}

/** Lays out the coverage of `files`, paths as `relativePath` gives them; files that are covered in full are only counted. */
export function buildCoverageTable (files: readonly FileCoverage[], relativePath: (path: string) => string): CoverageTable {
  const table: CoverageTable = { files: files.length, covered: 0, total: 0, lines: [] }
  const rows = files.map((file) => ({ path: relativePath(file.path), file })).sort((a, b) => a.path < b.path ? -1 : 1)
  const width = Math.max(0, ...rows.map((row) => row.path.length))
  for (const { path, file } of rows) {
    const ids = Object.keys(file.statementMap)
    const missed = ids.filter((id) => file.s[id] === 0)
    table.total += ids.length
    table.covered += ids.length - missed.length
    if (missed.length === 0) continue
    const spans = missed.map((id) => file.statementMap[id]).filter((span) => span !== undefined)
    table.lines.push(`  ${path.padEnd(width)}  ${percent(ids.length - missed.length, ids.length)}  not run: ${lineRanges(spans)}`)
  }
  return table
}

/** `83.3 %`, right-aligned; 100 % only where nothing is missing. */
export function percent (covered: number, total: number): string {
  const value = total === 0 ? 100 : Math.floor(covered / total * 1000) / 10
  return `${value.toFixed(1).padStart(5)} %`
}

function lineRanges (spans: readonly { start: { line: number }, end: { line: number } }[]): string {
  const lines = new Set<number>()
  for (const { start, end } of spans) for (let line = start.line; line <= end.line; line++) lines.add(line)
  const ranges: string[] = []
  let from = -1
  let to = -1
  for (const line of [...lines].sort((a, b) => a - b)) {
    if (line === to + 1) { to = line; continue }
    if (from !== -1) ranges.push(from === to ? `${from}` : `${from}-${to}`)
    from = to = line
  }
  if (from !== -1) ranges.push(from === to ? `${from}` : `${from}-${to}`)
  return ranges.join(',')
}
