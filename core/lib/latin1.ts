/**
 * The bytes of `buffer` as a latin1 string. Buffer has this method since always and its types do not know it; `toString('latin1')`
 * goes through an encoding look-up on each call, and this runs for each header field of each answer.
 */
export function latin1 (buffer: Buffer): string {
  return (buffer as Buffer & { latin1Slice (): string }).latin1Slice()
}
