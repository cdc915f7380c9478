import { lstat, mkdir } from 'node:fs/promises'
import { userInfo } from 'node:os'

/**
 * Makes sure that `directory` is a real directory of this user's own that nobody else can enter; makes it with mode 0700 where it is missing
 * (its parent has to be there). Throws Error with the remedy for one that somebody else could have prepared: in a shared place such as the
 * temporary directory any user can take the name first, and what is loaded from it runs as code.
 */
export async function ensurePrivateDirectory (directory: string): Promise<void> {
  try {
    await mkdir(directory, { mode: 0o700 })
    return
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
  // lstat: a symlink that somebody planted may point to a directory of ours that is meant for something else.
  const stat = await lstat(directory)
  const remedy = 'remove it, or choose another directory'
  if (!stat.isDirectory()) throw new Error(`${directory} is ${stat.isSymbolicLink() ? 'a symbolic link' : 'not a directory'} (${remedy})`)
  // Windows has no owner and mode to check; its temporary directory is the user's own.
  if (process.getuid === undefined) return
  if (stat.uid !== process.getuid()) throw new Error(`${directory} belongs to user ${stat.uid}, not to ${userId()} (${remedy})`)
  if ((stat.mode & 0o077) !== 0) throw new Error(`${directory} is open to other users, mode ${(stat.mode & 0o777).toString(8).padStart(4, '0')} (${remedy})`)
}

/** What tells this user's files apart in a shared directory: the numeric id, or the name where there are no ids. */
export function userId (): string {
  return process.getuid === undefined ? userInfo().username : String(process.getuid())
}
