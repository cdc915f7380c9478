/** A value as JSON whose objects have their keys in order: the same text for the same value, however it was written. */
export function canonicalJson (value: unknown): string {
  return JSON.stringify(value, (_key, one: unknown) => one !== null && typeof one === 'object' && !Array.isArray(one)
    ? Object.fromEntries(Object.entries(one).sort(([a], [b]) => a < b ? -1 : 1))
    : one)
}
