import type { ConfigPath } from '../errors.js'

/** The path behind a JSON pointer (RFC 6901) into `value`: indexes of lists as numbers. */
export function readPointer (pointer: string, value: unknown): ConfigPath {
  if (pointer === '') return []
  const path: (string | number)[] = []
  let node = value
  for (const part of pointer.slice(1).split('/')) {
    const key = Array.isArray(node) ? Number(part) : part.replace(/~1/g, '/').replace(/~0/g, '~')
    path.push(key)
    node = typeof node === 'object' && node !== null ? (node as Record<string | number, unknown>)[key] : undefined
  }
  return path
}
