import { CommandError } from '../command.js'
import { EXIT } from '../exit-codes.js'

/**
 * Reads `name=value` arguments into an object. A value that is JSON (`true`, `30`, `null`, `[ "a" ]`, `{ … }`) is that; any other is a text;
 * `name:=` in place of `=` makes a text of any. Throws CommandError for what is none, or comes twice.
 */
export function parseFields (args: readonly string[]): Record<string, unknown> {
  const fields = new Map<string, unknown>()
  for (const arg of args) {
    const match = /^(?<name>[a-z][a-z0-9_]*)(?<text>:?)=(?<value>[^]*)$/.exec(arg)?.groups
    if (match === undefined) throw new CommandError(`"${arg}" is not a field`, 'write name=value', EXIT.usage)
    const { name = '', text, value = '' } = match
    if (fields.has(name)) throw new CommandError(`${name} stands twice`, 'keep one', EXIT.usage)
    fields.set(name, text === ':' ? value : jsonOrText(value))
  }
  return Object.fromEntries(fields)
}

function jsonOrText (value: string): unknown {
  if (!/^(?:true|false|null|-?\d|[[{"])/.test(value)) return value
  try {
    return JSON.parse(value) as unknown
  } catch {
    return value
  }
}
