import { checkField } from './check-field.js'
import { answerLines } from './header-lines.js'

/**
 * An ordered list of header fields, lower-case names, duplicates kept (RFC 9110 section 5.3).
 * Stored flat (name, value, name, value): what `writeHead` takes, and one allocation for the whole list.
 */
export class HeaderList {
  /** The fields, flat. Names are lower-case. Callers that write here keep that. */
  readonly flat: string[]

  constructor (flat: string[] = []) {
    this.flat = flat
  }

  /** How many fields there are; two of one name count twice. */
  get size (): number { return this.flat.length / 2 }

  /** The first value of `name` (lower-case), or undefined. */
  get (name: string): string | undefined {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return flat[i + 1]
    return undefined
  }

  /** Every value of `name` (lower-case), in order. */
  getAll (name: string): string[] {
    const { flat } = this
    const values: string[] = []
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) values.push(flat[i + 1] as string)
    return values
  }

  /** Every value of `name` joined with `, ` (RFC 9110 section 5.2), or undefined where there is none. Not for Set-Cookie. */
  joined (name: string): string | undefined {
    const { flat } = this
    let value: string | undefined
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) value = value === undefined ? flat[i + 1] : `${value}, ${flat[i + 1] as string}`
    return value
  }

  /** Whether there is a field of that name (lower-case). */
  has (name: string): boolean {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) if (flat[i] === name) return true
    return false
  }

  /** Replaces all fields of that name by one, in the first one's place, or adds it. Throws TypeError for what is no field (`checkField`). */
  set (name: string, value: string): void {
    const lower = name.toLowerCase()
    checkField(lower, value)
    this.put(lower, value)
  }

  /** `set` for a lower-case name and a value that are known to be good. */
  put (lower: string, value: string): void {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) {
      if (flat[i] !== lower) continue
      flat[i + 1] = value
      removeFrom(flat, lower, i + 2)
      return
    }
    flat.push(lower, value)
  }

  /** Adds a field behind those that are there. Throws TypeError for what is no field (`checkField`). */
  append (name: string, value: string): void {
    const lower = name.toLowerCase()
    checkField(lower, value)
    this.flat.push(lower, value)
  }

  /** Removes all fields of that name; says whether there was one. */
  delete (name: string): boolean {
    return removeFrom(this.flat, name.toLowerCase(), 0)
  }

  /** Adds `token` to a comma-separated field (Vary, Via) unless it is listed already or the field is `*`; compares without case. */
  addToken (name: string, token: string): void {
    const current = this.joined(name.toLowerCase())
    if (current === undefined || current === '') { this.set(name, token); return }
    const listed = current.split(',').map((part) => part.trim().toLowerCase())
    if (listed.includes('*') || listed.includes(token.toLowerCase())) return
    this.set(name, `${current}, ${token}`)
  }

  /** Throws TypeError when a field, which may have been written past `set` and `append`, is none (`checkField`). */
  verify (): void {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) answerLines.verify(flat[i] as string, flat[i + 1] as string)
  }

  /** Another list with the same fields. */
  clone (): HeaderList { return new HeaderList(this.flat.slice()) }

  /** The fields as pairs, in order. */
  * [Symbol.iterator] (): IterableIterator<[string, string]> {
    const { flat } = this
    for (let i = 0; i < flat.length; i += 2) yield [flat[i] as string, flat[i + 1] as string]
  }
}

function removeFrom (flat: string[], lower: string, from: number): boolean {
  let to = from
  for (let i = from; i < flat.length; i += 2) {
    if (flat[i] === lower) continue
    if (to !== i) { flat[to] = flat[i] as string; flat[to + 1] = flat[i + 1] as string }
    to += 2
  }
  const removed = to !== flat.length
  if (to !== flat.length) flat.length = to
  return removed
}
