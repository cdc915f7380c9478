import { Worker } from 'node:worker_threads'
import type { DocumentEngine } from './document-engine.js'
import type { FromEngine } from './engine-protocol.js'
import { RemoteEngine } from './remote-engine.js'
import type { SqliteOptions } from './sqlite-engine.js'

/** Batches of records are short-lived; the rest of what the thread does needs little. */
const YOUNG_GENERATION_MB = 8
/** How long a write waits for other processes: whoever asked is told within a second. */
const LOCKED_MS = 500

/**
 * Opens the embedded store in a thread of its own. SQLite works while its caller waits, and a write waits for the disk: on the thread that
 * serves requests a hundred writes a second would stop all traffic. Rejects as `openSqliteEngine` does. A thread that dies takes the calls
 * that it had with it (StoreUnavailableError); the next call starts another.
 */
export async function openSqliteThread (options: SqliteOptions): Promise<DocumentEngine> {
  let last: Worker | null = null
  let workerData: SqliteOptions = { limitMs: LOCKED_MS, ...options }
  const remote = new RemoteEngine({
    name: 'embedded',
    silence: 'the disk of the store',
    connect (receive, lost) {
      const worker = new Worker(new URL('./sqlite-thread-entry.js', import.meta.url), { workerData, name: 'store', resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB } })
      let failure = 'it ended'
      worker.on('message', (message: FromEngine) => { receive(message) })
      worker.on('error', (error) => { failure = error.message })
      worker.on('exit', () => { lost(failure) })
      last = worker
      return { post: (message) => { worker.postMessage(message) }, ref: () => { worker.ref() }, unref: () => { worker.unref() } }
    },
    closed: async () => { if (last !== null) await new Promise((resolve) => last?.once('exit', resolve)) }
  })
  const engine = remote.engine()
  try {
    await remote.opened()
    // A thread that is started in the place of this one must not make another store where this one was.
    workerData = { ...workerData, create: false }
  } catch (error) {
    await remote.end()
    throw error
  }
  return engine
}
