/** Rows under a heading in columns as wide as they need; the first column to the left, the others to the right. */
export function formatTable (heading: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [heading, ...rows]
  const widths = heading.map((_, column) => Math.max(...all.map((row) => (row[column] ?? '').length)))
  return all.map((row) => widths.map((width, column) => {
    const cell = row[column] ?? ''
    return column === 0 ? cell.padEnd(width) : cell.padStart(width)
  }).join('  ').trimEnd()).join('\n')
}

/** A number with so many decimals, or `-` where there is none. */
export function decimals (value: number | null, count: number): string {
  return value === null || Number.isNaN(value) ? '-' : value.toFixed(count)
}

/** Bytes in MB (10^6). */
export function megabytes (bytes: number | null): string {
  return decimals(bytes === null ? null : bytes / 1e6, 0)
}
