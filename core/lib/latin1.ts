/**
 * The bytes of `buffer`, or those from `from` to `to`, as a latin1 string. Buffer has this method since always and its types do not know it;
 * `toString('latin1')` goes through an encoding look-up on each call, and this runs for each answer.
 */
export function latin1 (buffer: Buffer, from?: number, to?: number): string {
  return (buffer as Buffer & { latin1Slice (from?: number, to?: number): string }).latin1Slice(from, to)
}
