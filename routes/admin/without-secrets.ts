/**
 * A body without what is shown once. A secret is named by the way to it: `api_key`, or `data.*.body.api_key` for one in each entry of a list.
 */
export function withoutSecrets<T> (body: T, secrets: readonly string[]): T {
  return secrets.reduce<unknown>((value, path) => without(value, path.split('.')), body) as T
}

function without (value: unknown, [step = '', ...further]: readonly string[]): unknown {
  if (value === null || typeof value !== 'object') return value
  if (step === '*') return Array.isArray(value) ? value.map((item) => without(item, further)) : value
  const fields = Object.entries(value)
  if (further.length === 0) return Object.fromEntries(fields.filter(([name]) => name !== step))
  return Object.fromEntries(fields.map(([name, item]) => [name, name === step ? without(item, further) : item]))
}
