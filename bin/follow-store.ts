import type { Directory as PluginDirectory, Logger, Secrets } from '../core/host.js'
import { Directory } from '../core/state/directory.js'
import { DirectoryFeed, POLL_MS, type FeedStatus } from '../core/state/feed.js'
import { createKeyReader } from '../core/state/key-reader.js'
import { createNamesSecret, openConfig } from '../core/state/sealed-config.js'
import { createLastView } from './last-view.js'
import { openSecrets } from './open-secrets.js'
import type { NodeStore } from './open-store.js'
import type { ProjectSource } from './store-projects.js'

/** A store as the data path sees it: a directory that is kept fresh. */
export interface FollowedStore {
  readonly directory: Directory
  /** What is read of it of projects, with the secrets that they name. */
  readonly projects: ProjectSource
  /** What plugins read of it while they run. */
  readonly ports: { forProject (projectId: string): PluginDirectory, secretsFor (projectId: string): Secrets }
  readonly engine: 'embedded' | 'mongodb'
  readonly status: FeedStatus
  /**
   * Begins to follow. Resolves when everything was read, or when the store does not answer and its last view was found on disk: then it goes on
   * by itself. Rejects where there is neither. `onProjects` is told of projects that changed, many at a time.
   */
  start (onProjects: (ids: ReadonlySet<string>) => Promise<void>): Promise<void>
  stop (): Promise<void>
}

/** How long a start waits for a store that does not answer. */
const START_MS = 3_000
/** How long it waits for a server where there is no last view: that may be starting too, or be busy. */
const SERVER_MS = 30_000
/** Changes that come within it are served together. */
const GATHER_MS = 25
/**
 * While changes go on and on, serving them takes at most about this part of the time: with 10 000 projects each time costs the thread that serves
 * requests some 20 ms, for one change or a hundred. A change is served within a second all the same.
 */
const SHARE = 1 / 20
const LONGEST_GATHER_MS = 500

/** Follows a store, and keeps its last view in a file. Whoever opened the store closes it, after this has stopped. */
export function followStore (store: NodeStore, lastViewFile: string, log: Logger): FollowedStore {
  const { open, ring } = store
  const directory = new Directory(createKeyReader(ring))
  const feed = new DirectoryFeed({ system: open.system, directory, log, pollMs: POLL_MS[open.engine], namesSecret: createNamesSecret(ring) })
  const lastView = createLastView(lastViewFile, store, directory, feed, log)
  let stopKeeping: () => Promise<void> = async () => {}
  let gathered = new Set<string>()
  const stop = new AbortController()
  let serving: Promise<void> | null = null

  const serve = async (act: (ids: ReadonlySet<string>) => Promise<void>): Promise<void> => {
    let gatherMs = GATHER_MS
    while (gathered.size > 0 && !stop.signal.aborted) {
      const waitMs = gatherMs
      await new Promise((resolve) => { setTimeout(resolve, waitMs).unref() })
      const ids = gathered
      gathered = new Set()
      const startedAt = performance.now()
      try {
        await act(ids)
      } catch (error) {
        log.error({ error: error instanceof Error ? error.stack : String(error), projects: ids.size }, 'what changed in the store could not be served')
      }
      gatherMs = Math.min(LONGEST_GATHER_MS, Math.max(GATHER_MS, (performance.now() - startedAt) / SHARE))
    }
    serving = null
  }

  return {
    directory,
    projects: {
      project: (id) => directory.project(id),
      configOf (id) {
        const project = directory.project(id)
        return project === null ? null : openConfig(ring, project)
      },
      projects: () => directory.projects(),
      domainsOf: (id) => directory.domainsOf(id),
      isActive: (id) => directory.isActive(id),
      secretsOf: (id) => openSecrets(ring, () => directory.secretsOf(id))
    },
    ports: { forProject: (id) => directory.forProject(id), secretsFor: (id) => ({ read: (name) => openSecrets(ring, () => directory.secretsOf(id)).open(name) }) },
    engine: open.engine,
    get status () { return feed.status },
    async start (onProjects) {
      feed.onProjects((ids) => {
        for (const id of ids) gathered.add(id)
        serving ??= serve(onProjects)
      })
      let timer: NodeJS.Timeout | undefined
      const late = new Promise((resolve) => { timer = setTimeout(resolve, START_MS) })
      const loading = feed.start()
      await Promise.race([loading, late])
      clearTimeout(timer)
      if (feed.status.state === 'loading') {
        await lastView.use().catch(async (error: unknown) => {
          // A store that is only slow is waited for.
          if (await loading || (open.engine === 'mongodb' && await feed.whenRead(SERVER_MS))) return
          throw new Error(`the store does not answer (${feed.status.error ?? ''}), and ${error instanceof Error ? error.message : String(error)}; start the store first`)
        })
      }
      stopKeeping = lastView.keep()
    },
    async stop () {
      stop.abort()
      await stopKeeping()
      await feed.stop()
      await serving
    }
  }
}
