import type { Logger } from '../core/host.js'
import { Directory } from '../core/state/directory.js'
import { DirectoryFeed, POLL_MS, type FeedStatus } from '../core/state/feed.js'
import { createKeyReader } from '../core/state/key-reader.js'
import type { NodeStore } from './open-store.js'

/** A store as the data path sees it: a directory that is kept fresh. */
export interface FollowedStore {
  readonly directory: Directory
  readonly engine: 'embedded' | 'mongodb'
  readonly status: FeedStatus
  /** Begins to follow. Resolves when everything was read, or when it shows that this takes longer than a start may: then it goes on by itself. `onProjects` is told of projects that changed, many at a time. */
  start (onProjects: (ids: ReadonlySet<string>) => Promise<void>): Promise<void>
  stop (): Promise<void>
}

/** How long a start waits for a store that does not answer. */
const START_MS = 3_000
/** Changes that come within it are served together. */
const GATHER_MS = 25

/** Follows a store. Whoever opened the store closes it, after this has stopped. */
export function followStore ({ open, ring }: NodeStore, log: Logger): FollowedStore {
  const directory = new Directory(createKeyReader(ring))
  const feed = new DirectoryFeed({ system: open.system, directory, log, pollMs: POLL_MS[open.engine] })
  let gathered = new Set<string>()
  const stop = new AbortController()
  let serving: Promise<void> | null = null

  const serve = async (act: (ids: ReadonlySet<string>) => Promise<void>): Promise<void> => {
    while (gathered.size > 0 && !stop.signal.aborted) {
      await new Promise((resolve) => { setTimeout(resolve, GATHER_MS).unref() })
      const ids = gathered
      gathered = new Set()
      try {
        await act(ids)
      } catch (error) {
        log.error({ error: error instanceof Error ? error.stack : String(error), projects: ids.size }, 'what changed in the store could not be served')
      }
    }
    serving = null
  }

  return {
    directory,
    engine: open.engine,
    get status () { return feed.status },
    async start (onProjects) {
      feed.onProjects((ids) => {
        for (const id of ids) gathered.add(id)
        serving ??= serve(onProjects)
      })
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((resolve) => { timer = setTimeout(resolve, START_MS) })
      await Promise.race([feed.start(), late])
      clearTimeout(timer)
    },
    async stop () {
      stop.abort()
      await feed.stop()
      await serving
    }
  }
}
