import { REDACTED, type Redactor } from './redact.js'

const MAX_DEPTH = 6
const MAX_ITEMS = 1000
const MAX_TEXT = 16_384

/**
 * A value as plain data that may be logged: what is under a telling name is masked at any depth, errors are their name, message,
 * code, stack and causes, and an instance of a class is its class's name only, so that no request, socket or buffer is ever dumped.
 */
export function loggable (value: unknown, redactor: Redactor, inside: readonly object[] = []): unknown {
  if (typeof value === 'string') return value.length > MAX_TEXT ? `${value.slice(0, MAX_TEXT)}…` : value
  if (typeof value === 'bigint' || typeof value === 'symbol') return String(value)
  if (typeof value === 'function') return `[function ${value.name}]`
  if (typeof value !== 'object' || value === null) return value
  if (inside.includes(value)) return '[circular]'
  if (inside.length >= MAX_DEPTH) return '[deeper]'
  const path = [...inside, value]
  if (value instanceof Error) return loggableError(value, redactor, path)
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? 'Invalid Date' : value.toISOString()
  if (value instanceof URL) return value.href
  if (Array.isArray(value)) {
    const items = value.slice(0, MAX_ITEMS).map((item) => loggable(item, redactor, path))
    if (value.length > MAX_ITEMS) items.push(`[${value.length - MAX_ITEMS} more]`)
    return items
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) return `[${value.constructor?.name ?? 'object'}]`
  const plain: Record<string, unknown> = {}
  for (const [name, inner] of Object.entries(value).slice(0, MAX_ITEMS)) {
    // defineProperty's semantics: a field called __proto__ is a field.
    Object.defineProperty(plain, name, { value: redactor.isSecret(name) ? REDACTED : loggable(inner, redactor, path), enumerable: true })
  }
  return plain
}

function loggableError (error: Error, redactor: Redactor, path: readonly object[]): Record<string, unknown> {
  const shown: Record<string, unknown> = { name: error.name, message: loggable(error.message, redactor, path) }
  const { code } = error as NodeJS.ErrnoException
  if (code !== undefined) shown.code = loggable(code, redactor, path)
  shown.stack = loggable(error.stack, redactor, path)
  if (error.cause !== undefined) shown.cause = loggable(error.cause, redactor, path)
  if (error instanceof AggregateError) shown.errors = loggable(error.errors, redactor, path)
  return shown
}
