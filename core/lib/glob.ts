/** File patterns: `*` and `?` within a name, `**` for any folders. Node 20 has no `fs.glob`. */
import { readdirSync, statSync, type Dirent } from 'node:fs'
import path from 'node:path'

/** Whether a text is a pattern, not a plain path. */
export function isGlob (text: string): boolean {
  return /[*?]/.test(text)
}

/**
 * The files that a pattern names, absolute, each once, sorted. Wildcards never stand for a leading dot (so that the `..data`
 * folders of mounted volumes stay out), and `**` does not follow links to folders. A folder that can not be read has no files.
 * The folders whose names decided are added to `folders`: a file that comes into one of them may match.
 */
export function expandGlob (pattern: string, directory: string, folders: Set<string> = new Set()): string[] {
  const absolute = path.resolve(directory, pattern)
  const { root } = path.parse(absolute)
  const found = new Set<string>()
  walk(root, absolute.slice(root.length).split(path.sep), found, folders)
  return [...found].sort()
}

function walk (directory: string, [part, ...rest]: readonly string[], found: Set<string>, folders: Set<string>): void {
  if (part === undefined) return
  if (isGlob(part)) folders.add(directory)
  if (part === '**') {
    walk(directory, rest, found, folders)
    for (const entry of list(directory)) {
      if (entry.isDirectory() && !entry.name.startsWith('.')) walk(path.join(directory, entry.name), [part, ...rest], found, folders)
    }
    return
  }
  if (!isGlob(part)) {
    step(path.join(directory, part), null, rest, found, folders)
    return
  }
  const matches = nameMatcher(part)
  for (const entry of list(directory)) {
    if (matches(entry.name)) step(path.join(directory, entry.name), entry, rest, found, folders)
  }
}

function step (place: string, entry: Dirent | null, rest: readonly string[], found: Set<string>, folders: Set<string>): void {
  if (rest.length > 0) walk(place, rest, found, folders)
  // The listing says it of all but links and what other file systems do not tell.
  else if (entry?.isFile() === true || (entry?.isDirectory() !== true && mayBeFile(place))) found.add(place)
}

/** What can not be looked at stays in, so that reading it says why. */
function mayBeFile (place: string): boolean {
  try {
    return statSync(place, { throwIfNoEntry: false })?.isFile() === true
  } catch {
    return true
  }
}

function list (directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true })
  } catch {
    return []
  }
}

function nameMatcher (pattern: string): (name: string) => boolean {
  const source = pattern.replace(/\*+/g, '*').replace(/[.+^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*').replace(/\?/g, '.')
  const expression = new RegExp(`^${source}$`, 's')
  return (name) => (!name.startsWith('.') || pattern.startsWith('.')) && expression.test(name)
}
