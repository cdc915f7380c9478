import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import type { Logger } from '../core/host.js'
import type { GatewayConfig } from '../core/route.js'
import type { Directory } from '../core/state/directory.js'
import { createSnapshotSeal, readDirectorySnapshot } from '../core/state/directory-snapshot.js'
import type { DirectoryFeed } from '../core/state/feed.js'
import { keepDirectorySnapshot } from '../core/state/snapshot-keeper.js'
import type { NodeStore } from './open-store.js'

const FILE = 'directory.snapshot'
/** How long one of the processes of a machine is the one that writes. */
const TURN_MS = 60_000

/** The last view of the store, on disk. */
export interface LastView {
  /** Serves it, with its age in the log, until the store answers. Rejects with SnapshotError where there is none that can be used. */
  use (): Promise<void>
  /** Keeps it up to date from now on; returns what ends that. */
  keep (): () => Promise<void>
}

/** Where it is: in the folder of an embedded store; for another store beside the key ring, or else in the working directory, as the admin token. */
export function lastViewFile (state: GatewayConfig['state']): string {
  if (state.kind === 'embedded') return join(state.path, FILE)
  return join(state.keyRing === null ? '.' : dirname(state.keyRing), FILE)
}

/** The last view that processes of this machine have of a store. One of them writes it at a time. */
export function createLastView (path: string, { open, ring }: NodeStore, directory: Directory, feed: DirectoryFeed, log: Logger): LastView {
  const seal = createSnapshotSeal(ring)
  const isOurTurn = async (): Promise<boolean> => {
    try {
      return await open.system.takeLease(`directory snapshot ${hostname()} ${path}`, String(process.pid), TURN_MS) !== null
    } catch {
      return false
    }
  }
  return {
    async use () {
      const snapshot = await readDirectorySnapshot(path, seal)
      if (!feed.useSnapshot(snapshot)) return
      log.warn({ path, asOf: new Date(snapshot.asOf).toISOString(), ageMs: Date.now() - snapshot.asOf }, 'the store does not answer: the last view of it is served')
    },
    keep: () => keepDirectorySnapshot({ path, directory, feed, seal, log, isOurTurn })
  }
}
