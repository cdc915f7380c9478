/** Prints the head of a table of costs by size. */
export function printSizes (what: string, sizes: readonly number[], unit = 'ns'): void {
  console.log(`${what.padEnd(46)}${sizes.map((size) => String(size).padStart(10)).join('')}${'growth'.padStart(10)}   ${unit}`)
}

/** Prints a row of costs by size, and how many times the first one the last is: what does not grow says 1.0 x. */
export function printGrowth (title: string, costs: readonly number[]): void {
  const [first, last] = [costs[0], costs.at(-1)]
  const growth = first === undefined || last === undefined || first === 0 ? '' : `${(last / first).toFixed(1)} x`
  console.log(`  ${title.padEnd(44)}${costs.map((cost) => cost.toFixed(cost < 10 ? 1 : 0).padStart(10)).join('')}${growth.padStart(10)}`)
}
