import { checkField, checkValue } from './check-field.js'

/** A field as it was last written. */
interface Line { value: string, text: string }

/** A client or an upstream may not grow the map without bound by inventing names. */
const MAX_NAMES = 1_024
const MAX_VALUE = 512

/**
 * Fields as lines of a head (RFC 9112 section 5). Most fields of most messages have the value that they had the last time (what plugins
 * add, types, servers): their line is one string that is there already, where composing it is four pieces to be joined at each write.
 */
class FieldLines {
  private readonly lines = new Map<string, Line>()

  /** The line of a field that is known to be good (`checkField`). */
  of (name: string, value: string): string {
    const line = this.lines.get(name)
    return line !== undefined && line.value === value ? line.text : this.compose(line, name, value)
  }

  /** The line of any field. Throws TypeError for what is none (`checkField`). */
  checked (name: string, value: string): string {
    const line = this.lines.get(name)
    if (line !== undefined && line.value === value) return line.text
    check(line, name, value)
    return this.compose(line, name, value)
  }

  /** Throws TypeError for what is no field (`checkField`). */
  verify (name: string, value: string): void {
    const line = this.lines.get(name)
    if (line === undefined || line.value !== value) check(line, name, value)
  }

  private compose (line: Line | undefined, name: string, value: string): string {
    const text = `${name}: ${value}\r\n`
    if (value.length > MAX_VALUE) return text
    if (line !== undefined) {
      line.value = value
      line.text = text
    } else if (this.lines.size < MAX_NAMES) this.lines.set(name, { value, text })
    return text
  }
}

/** A name that was written before is a good one. */
function check (line: Line | undefined, name: string, value: string): void {
  if (line === undefined) checkField(name, value)
  else checkValue(name, value)
}

/** The lines of answers. */
export const answerLines = new FieldLines()
/** The lines of requests to upstreams: their own, or the two directions would write over each other's. */
export const requestLines = new FieldLines()
