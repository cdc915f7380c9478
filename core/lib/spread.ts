/** A time between half of this and all of it, by chance: of many that wait for the same thing, not all come at once. */
export function spread (ms: number): number {
  return ms * (0.5 + Math.random() / 2)
}
