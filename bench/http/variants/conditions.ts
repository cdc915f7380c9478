/** What is the same for all variants. */

/** The most connections to the origin. */
export const CONNECTIONS = 128

/** The origin's address, which every variant is started with. Throws Error when it is missing. */
export function originFromArguments (): string {
  const origin = process.argv[2]
  if (origin === undefined) throw new Error('start it with the origin\'s address')
  return origin
}
