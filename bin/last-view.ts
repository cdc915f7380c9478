import { hostname } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Logger } from '../core/host.js'
import type { GatewayConfig } from '../core/route.js'
import { Directory } from '../core/state/directory.js'
import { createSnapshotSeal, readDirectorySnapshot, snapshotKeyIds, writeDirectorySnapshot } from '../core/state/directory-snapshot.js'
import { DirectoryFeed, POLL_MS } from '../core/state/feed.js'
import { createKeyReader } from '../core/state/key-reader.js'
import type { KeyRing } from '../core/state/key-ring.js'
import { keepDirectorySnapshot } from '../core/state/snapshot-keeper.js'
import { StoreUnavailableError } from '../core/state/store-errors.js'
import type { NodeStore } from './open-store.js'
import { SILENT } from './silent-log.js'

const FILE = 'directory.snapshot'
/** How long one of the processes of a machine is the one that writes. */
const TURN_MS = 60_000
/** How long a command waits for a gateway to write it; a gateway does so every 5 s where there is reason to, less often where there are very many keys. */
const PATIENCE_MS = 30_000
const AGAIN_MS = 250

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
      return await open.system.takeLease(turnOf(path), String(process.pid), TURN_MS) !== null
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

/**
 * Writes the last view of a store anew where the file that is there was sealed with this key: from the store, since some of what is in it may be sealed with
 * the key as well. Where a gateway runs it does that itself, and is waited for. False when it has not come to it.
 */
export async function freeLastView (path: string, { open, ring }: Pick<NodeStore, 'open' | 'ring'>, keyId: string): Promise<boolean> {
  const turn = turnOf(path)
  const holder = `${process.pid} ${keyId}`
  for (const until = performance.now() + PATIENCE_MS; await isSealedWith(path, keyId);) {
    if (await open.system.takeLease(turn, holder, TURN_MS) !== null) {
      try {
        await writeFromStore(path, open, ring)
      } finally {
        await open.system.releaseLease(turn, holder)
      }
      return true
    }
    if (performance.now() > until) return false
    await sleep(AGAIN_MS)
  }
  return true
}

async function isSealedWith (path: string, keyId: string): Promise<boolean> {
  try {
    return (await snapshotKeyIds(path)).has(keyId)
  } catch {
    // What is torn is of no use, with the key or without.
    return false
  }
}

async function writeFromStore (path: string, { system, engine }: NodeStore['open'], ring: KeyRing): Promise<void> {
  const directory = new Directory(createKeyReader(ring))
  const feed = new DirectoryFeed({ system, directory, log: SILENT, pollMs: POLL_MS[engine] })
  try {
    await feed.start()
    const { seq, asOf, error } = feed.status
    if (seq === null || asOf === null) throw new StoreUnavailableError(error ?? 'the store can not be read')
    await writeDirectorySnapshot(path, { tables: directory.tables, seq, asOf }, createSnapshotSeal(ring))
  } finally {
    await feed.stop()
  }
}

function turnOf (path: string): string {
  return `directory snapshot ${hostname()} ${path}`
}
