import { isDeepStrictEqual } from 'node:util'

// A table of both lists: longer ones are told by what they begin and end with.
const MOST_CELLS = 250_000

/** The places of equal entries of two lists, as many as can be in one order. */
export function sameEntries (left: readonly unknown[], right: readonly unknown[]): (readonly [number, number])[] {
  const found: (readonly [number, number])[] = []
  let start = 0
  while (start < left.length && start < right.length && isDeepStrictEqual(left[start], right[start])) found.push([start, start++])
  let [endLeft, endRight] = [left.length, right.length]
  const tail: (readonly [number, number])[] = []
  while (endLeft > start && endRight > start && isDeepStrictEqual(left[endLeft - 1], right[endRight - 1])) tail.unshift([--endLeft, --endRight])
  const [rows, columns] = [endLeft - start, endRight - start]
  if (rows * columns > MOST_CELLS) return [...found, ...tail]
  // longest[row][column]: how many are common from there to the end.
  const longest = Array.from({ length: rows + 1 }, () => new Array<number>(columns + 1).fill(0))
  const at = (row: number, column: number): number => longest[row]?.[column] ?? 0
  const equal = (row: number, column: number): boolean => isDeepStrictEqual(left[start + row], right[start + column])
  for (let row = rows - 1; row >= 0; row--) {
    for (let column = columns - 1; column >= 0; column--) {
      const line = longest[row] as number[]
      line[column] = equal(row, column) ? at(row + 1, column + 1) + 1 : Math.max(at(row + 1, column), at(row, column + 1))
    }
  }
  for (let row = 0, column = 0; row < rows && column < columns;) {
    if (equal(row, column)) found.push([start + row++, start + column++])
    else if (at(row + 1, column) >= at(row, column + 1)) row++
    else column++
  }
  return [...found, ...tail]
}

/** The longest part of a list of different numbers that rises, the others left out. */
export function longestRise (numbers: readonly number[]): number[] {
  // ends[length - 1]: the place of the smallest number that a rise of that length ends with.
  const ends: number[] = []
  const before: number[] = []
  for (const [place, number] of numbers.entries()) {
    let length = 0
    for (let high = ends.length; length < high;) {
      const middle = (length + high) >> 1
      if ((numbers[ends[middle] as number] as number) < number) length = middle + 1
      else high = middle
    }
    before[place] = ends[length - 1] ?? -1
    ends[length] = place
  }
  const rise: number[] = []
  for (let place = ends.at(-1) ?? -1; place >= 0; place = before[place] as number) rise.unshift(numbers[place] as number)
  return rise
}
