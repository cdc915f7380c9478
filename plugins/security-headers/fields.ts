/**
 * Compiles fields to set and names to remove into a function that does both to a flat header list, in one pass over it.
 * A field with `false` for its value is left alone. Without `override` a field that is there already stays as it is.
 */
export function compileFields (fields: readonly (readonly [name: string, value: string | false])[], remove: readonly string[], override: boolean): (flat: string[]) => void {
  const set = fields.filter((field): field is readonly [string, string] => field[1] !== false)
  const added = set.flat()
  /** What to do with a field that is there: take it away (-1), or count it as there (the bit of its place in `set`). */
  const known = new Map<string, number>()
  for (const [index, [name]] of set.entries()) known.set(name, override ? -1 : 1 << index)
  for (const name of remove) if (!known.has(name)) known.set(name, -1)

  return (flat) => {
    let present = 0
    let to = 0
    for (let i = 0; i < flat.length; i += 2) {
      const name = flat[i] as string
      const bit = known.get(name)
      if (bit !== undefined) {
        if (bit < 0) continue
        present |= bit
      }
      if (to !== i) { flat[to] = name; flat[to + 1] = flat[i + 1] as string }
      to += 2
    }
    if (to !== flat.length) flat.length = to
    for (let index = 0; index < added.length; index += 2) {
      if ((present & (1 << (index >> 1))) === 0) flat.push(added[index] as string, added[index + 1] as string)
    }
  }
}
