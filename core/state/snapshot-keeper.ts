import type { Logger } from '../host.js'
import { asError } from '../lib/as-error.js'
import type { Directory } from './directory.js'
import { type SnapshotSeal, writeDirectorySnapshot } from './directory-snapshot.js'
import type { DirectoryFeed } from './feed.js'

const EVERY_MS = 5_000
/** Writing takes at most this part of the time, however large the directory is. */
const SHARE = 1 / 20
/** After this long it is written although nothing changed, so that its age tells how old the view is, not when something last changed. */
const RENEW_MS = 600_000

/** What keeps a directory's snapshot on disk. */
export interface SnapshotKeeperOptions {
  readonly path: string
  readonly directory: Directory
  readonly feed: Pick<DirectoryFeed, 'status'>
  readonly seal: SnapshotSeal
  readonly log: Logger
  /** Whether this process is the one that writes, where several could. Asked when there is something to write. */
  readonly isOurTurn?: () => Promise<boolean>
  /** How often at most; default 5 s. */
  readonly everyMs?: number
}

/**
 * Keeps the last good view of the store on disk while it runs: one process for each file. What can not be written is logged and tried
 * again. Returns what ends it, behind a last snapshot where something changed.
 */
export function keepDirectorySnapshot (options: SnapshotKeeperOptions): () => Promise<void> {
  const { path, directory, feed, seal, log, isOurTurn, everyMs = EVERY_MS } = options
  let written: { seq: number, asOf: number, keyId: string } | null = null
  let failed = false
  const stop = new AbortController()
  let wake: () => void = () => {}

  const write = async (): Promise<void> => {
    const { seq, asOf } = feed.status
    // The numbers first: what changes while it is written may be in it, and is read again from the store.
    const { keyId } = seal
    // Another key in use: the one that sealed it may be taken out of the ring soon.
    if (seq === null || asOf === null || (written !== null && written.seq === seq && written.keyId === keyId && asOf - written.asOf < RENEW_MS)) return
    if (isOurTurn !== undefined && !await isOurTurn()) return
    try {
      await writeDirectorySnapshot(path, { tables: directory.tables, seq, asOf }, seal)
      written = { seq, asOf, keyId }
      failed = false
    } catch (error) {
      if (!failed) log.warn({ path, error: asError(error).message }, 'the snapshot of the directory can not be written')
      failed = true
    }
  }
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const startedAt = performance.now()
      await write()
      const pauseMs = Math.max(everyMs, (performance.now() - startedAt) / SHARE)
      if (stop.signal.aborted) break
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, pauseMs)
        timer.unref()
        wake = () => { clearTimeout(timer); resolve() }
      })
    }
    await write()
  }
  const running = run()
  return async () => {
    stop.abort()
    wake()
    await running
  }
}
