/** A value as it stands in a file: what YAML can say, before anything is checked. */
export type Raw = null | boolean | number | string | Raw[] | RawMap

/** A map as it stands in a file. A key `__proto__` never gets this far. */
export interface RawMap { [key: string]: Raw }

/** Whether a value is a map. */
export function isMap (value: unknown): value is RawMap {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
