/** Tells when the content of files changes, however the change is made. */
import { watch, type FSWatcher } from 'node:fs'
import path from 'node:path'
import { forEachLimited } from '../lib/for-each-limited.js'
import { identityOf, readFileState, stampOf, type FileState } from './file-state.js'

/** What may be chosen about watching. */
export interface WatchOptions {
  /** How often the file system is asked, for what it does not report by itself. Default 1 000. */
  intervalMs?: number
  /** How long it has to be quiet before a change is looked at. Default 50. */
  debounceMs?: number
  /** How long a file that is gone or empty may stay so before that counts as a change: it may be in the middle of being replaced. Default 200. */
  graceMs?: number
  /** The most files that one interval asks about. Default 256. */
  filesPerInterval?: number
  /** False where the file system reports nothing (network file systems): then asking is all. Default true. */
  events?: boolean
}

/** What is being watched. Whoever creates it closes it; it keeps the process alive until then. */
export interface FileWatcher {
  /**
   * Watches these files (absolute paths; they need not exist) and no others. A directory among them changes when a name in it comes or goes. Resolves
   * when all are known. `readAt`: when they were read last (milliseconds since 1970); a new one that was changed since then is reported at once.
   */
  setFiles (files: Iterable<string>, readAt?: number): Promise<void>
  close (): void
}

interface Watched { path: string, state: FileState | null }
interface Directory { path: string, identity: string, watcher: FSWatcher | null, files: Map<string, Watched> }

const CONCURRENCY = 16
/** A file that is written without a pause is looked at this many debounce times after its first event. */
const LONGEST_DEBOUNCE = 10

/**
 * Calls `onChange` with the paths whose content differs from what it was, never without. Directories are watched, not files: that sees atomic renames
 * and what is made again, and costs nothing per file. What no event tells (Kubernetes turning `..data`, a directory replaced, a network file system)
 * is found by asking: every directory and up to `filesPerInterval` files in turn each interval; events are only hints where to look first.
 */
export function watchFiles (onChange: (files: string[]) => void, options: WatchOptions = {}): FileWatcher {
  const { intervalMs = 1_000, debounceMs = 50, graceMs = 200, filesPerInterval = 256, events = true } = options
  const files = new Map<string, Watched>()
  const directories = new Map<string, Directory>()
  /** What may have changed; true = read it even if its stamp is the same. */
  const suspects = new Map<Watched, boolean>()
  let closed = false
  let looking = false
  let firstSuspectAt = 0
  let debounce: NodeJS.Timeout | undefined
  let next = 0

  const suspect = (file: Watched, sure: boolean): void => {
    if (suspects.size === 0) firstSuspectAt = performance.now()
    suspects.set(file, sure || suspects.get(file) === true)
    if (!looking) schedule()
  }
  const schedule = (): void => {
    clearTimeout(debounce)
    if (closed || suspects.size === 0) return
    const waited = performance.now() - firstSuspectAt
    debounce = setTimeout(() => { void look() }, Math.max(0, Math.min(debounceMs, debounceMs * LONGEST_DEBOUNCE - waited)))
  }

  const look = async (): Promise<void> => {
    looking = true
    const batch = [...suspects]
    suspects.clear()
    const changed = new Set<string>()
    const vanished: Watched[] = []
    const read = async (file: Watched, last: boolean): Promise<void> => {
      const state = await readFileState(file.path)
      if (state.digest === file.state?.digest) file.state = state
      else if (state.empty && !last) vanished.push(file)
      else {
        file.state = state
        changed.add(file.path)
      }
    }
    await forEachLimited(batch, CONCURRENCY, async ([file, sure]) => {
      // Not known yet: setFiles is about to read it.
      if (file.state === null || (!sure && file.state.stamp !== '' && await stampOf(file.path) === file.state.stamp)) return
      await read(file, false)
    })
    if (vanished.length > 0) {
      await new Promise((resolve) => { setTimeout(resolve, graceMs) })
      await forEachLimited(vanished, CONCURRENCY, async (file) => { await read(file, true) })
    }
    looking = false
    schedule()
    const known = [...changed].filter((file) => files.has(file)).sort()
    if (!closed && known.length > 0) onChange(known)
  }

  const arm = (directory: Directory): void => {
    directory.watcher?.close()
    directory.watcher = null
    if (!events) return
    try {
      const watcher = watch(directory.path, (event, name) => {
        const own = name === null ? undefined : directory.files.get(name)
        if (own !== undefined) suspect(own, true)
        const itself = event === 'rename' ? files.get(directory.path) : undefined
        if (itself !== undefined) suspect(itself, true)
        // It was removed: what comes in its place may get the same inode.
        if (name === path.basename(directory.path)) directory.identity = 'removed'
        // Kubernetes turns this one link, and with it every file of the volume.
        if (name === null || name === '..data') for (const file of directory.files.values()) suspect(file, false)
      })
      watcher.on('error', () => {
        watcher.close()
        if (directory.watcher === watcher) directory.watcher = null
      })
      directory.watcher = watcher
    } catch {
      // Not there, or no watches left: the interval asks for its files, and tries again.
      directory.watcher = null
    }
  }

  const ask = async (): Promise<void> => {
    await forEachLimited(directories.values(), CONCURRENCY, async (directory) => {
      const identity = await identityOf(directory.path)
      if (closed || (identity === directory.identity && directory.watcher !== null)) return
      const replaced = identity !== directory.identity
      directory.identity = identity
      if (identity !== 'missing') arm(directory)
      if (replaced) for (const file of directory.files.values()) suspect(file, false)
    })
    const all = [...files.values()]
    const count = Math.min(filesPerInterval, all.length)
    const slice = Array.from({ length: count }, (_, index) => all[(next + index) % all.length] as Watched)
    next = all.length === 0 ? 0 : (next + count) % all.length
    await forEachLimited(slice, CONCURRENCY, async (file) => {
      if (file.state !== null && (file.state.stamp === '' || await stampOf(file.path) !== file.state.stamp)) suspect(file, false)
    })
  }
  let timer: NodeJS.Timeout
  const poll = (): void => {
    timer = setTimeout(() => { void ask().then(() => { if (!closed) poll() }) }, intervalMs)
  }
  poll()

  const add = (file: string): Watched => {
    const watched: Watched = { path: file, state: null }
    files.set(file, watched)
    directoryOf(path.dirname(file)).files.set(path.basename(file), watched)
    return watched
  }
  const directoryOf = (name: string): Directory => {
    let directory = directories.get(name)
    if (directory === undefined) {
      directory = { path: name, identity: 'missing', watcher: null, files: new Map() }
      directories.set(name, directory)
    }
    return directory
  }
  const armNew = async (): Promise<void> => {
    await forEachLimited([...directories.values()].filter(({ watcher }) => watcher === null), CONCURRENCY, async (directory) => {
      directory.identity = await identityOf(directory.path)
      if (!closed && directory.identity !== 'missing') arm(directory)
    })
  }
  const remove = (file: string): void => {
    const watched = files.get(file)
    files.delete(file)
    directories.get(path.dirname(file))?.files.delete(path.basename(file))
    if (watched !== undefined) suspects.delete(watched)
  }

  return {
    async setFiles (wanted, readAt) {
      const names = new Set([...wanted].map((file) => path.resolve(file)))
      for (const file of [...files.keys()]) if (!names.has(file)) remove(file)
      const added = [...names].filter((file) => !files.has(file)).map(add)
      for (const [name, directory] of directories) {
        if (directory.files.size > 0 || files.has(name)) continue
        directory.watcher?.close()
        directories.delete(name)
      }
      // Armed before they are read, so that a change after the reading is an event.
      await armNew()
      await forEachLimited(added, CONCURRENCY, async (file) => {
        file.state = await readFileState(file.path)
        if (file.state.isDirectory) directoryOf(file.path)
      })
      await armNew()
      for (const file of added) {
        if (file.state === null || readAt === undefined || file.state.changedAt < readAt) continue
        file.state.digest = 'as it was read'
        suspect(file, true)
      }
    },
    close () {
      closed = true
      clearTimeout(debounce)
      clearTimeout(timer)
      for (const { watcher } of directories.values()) watcher?.close()
      directories.clear()
      files.clear()
      suspects.clear()
    }
  }
}
