const UNSHOWABLE = 'something was thrown that can not be shown'

/** What was thrown as an Error: itself, or one that tells what it was. Code may throw anything, also what throws when it is looked at. */
export function asError (thrown: unknown): Error {
  try {
    return thrown instanceof Error ? thrown : new Error(String(thrown))
  } catch {
    return new Error(UNSHOWABLE)
  }
}

/** For a log: the stack of what was thrown, or else what it says. Never throws. */
export function stackOf (thrown: unknown): string {
  try {
    return thrown instanceof Error ? String(thrown.stack ?? thrown.message) : String(thrown)
  } catch {
    return UNSHOWABLE
  }
}
