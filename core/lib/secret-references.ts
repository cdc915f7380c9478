const REFERENCE = /\$\$\{|\$\{secret:([^}]*)\}/g

/** The form of a secret's name. */
export const SECRET_NAME = '^[A-Za-z_][A-Za-z0-9_]{0,63}$'

/** The names of a text's `${secret:NAME}`, as they stand there; a `$${` begins none. */
export function secretNames (text: string): string[] {
  if (!text.includes('${secret:')) return []
  return [...text.matchAll(REFERENCE)].flatMap(([, name]) => name === undefined ? [] : [name])
}

/** The names of the secrets that the texts within a JSON value name. Keys name none. */
export function namesOfSecrets (value: unknown): ReadonlySet<string> {
  const names = new Set<string>()
  const visit = (one: unknown): void => {
    if (typeof one === 'string') for (const name of secretNames(one)) names.add(name)
    else if (typeof one === 'object' && one !== null) Object.values(one).forEach(visit)
  }
  visit(value)
  return names
}
