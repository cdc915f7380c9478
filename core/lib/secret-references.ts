const REFERENCE = /\$\$\{|\$\{secret:([^}]*)\}/g

/** The form of a secret's name. */
export const SECRET_NAME = '^[A-Za-z_][A-Za-z0-9_]{0,63}$'

/** The names of a text's `${secret:NAME}`, as they stand there; a `$${` begins none. */
export function secretNames (text: string): string[] {
  if (!text.includes('${secret:')) return []
  return [...text.matchAll(REFERENCE)].flatMap(([, name]) => name === undefined ? [] : [name])
}

/** Whether some text within a JSON value names a secret. Keys name none. */
export function namesSecret (value: unknown, name: string): boolean {
  if (typeof value === 'string') return secretNames(value).includes(name)
  if (typeof value !== 'object' || value === null) return false
  return Object.values(value).some((one) => namesSecret(one, name))
}
