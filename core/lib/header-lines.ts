/** A field as it was last written. */
interface Line { value: string, text: string }

/** A client or an upstream may not grow the map without bound by inventing names. */
const MAX_NAMES = 1_024
const MAX_VALUE = 512

const lines = new Map<string, Line>()

/**
 * A field as a line of a head (RFC 9112 section 5). Most fields of most answers have the value that they had the last time (what plugins
 * add, types, servers): their line is one string that is there already, where composing it is four pieces to be joined at each write.
 * Takes fields that are known to be good (`checkField`).
 */
export function fieldLine (name: string, value: string): string {
  const line = lines.get(name)
  if (line !== undefined && line.value === value) return line.text
  const text = `${name}: ${value}\r\n`
  if (value.length > MAX_VALUE) return text
  if (line !== undefined) {
    line.value = value
    line.text = text
  } else if (lines.size < MAX_NAMES) lines.set(name, { value, text })
  return text
}

/** Whether a field was written as it is: then it is a good one. */
export function isWritten (name: string, value: string): boolean {
  return lines.get(name)?.value === value
}
