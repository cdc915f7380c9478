/** The thread of the admin API in a gateway of one process (`admin-thread.ts`). */
import { parentPort } from 'node:worker_threads'
import { createLogger } from '../core/observe/logger.js'
import { serveEngine } from '../core/state/serve-engine.js'
import { openAdminSide, type AdminSide } from './admin-side.js'
import type { AdminThreadData, FromAdminThread, ToAdminThread } from './admin-thread-protocol.js'
import { explainStart } from './explain-start.js'
import { createRemoteFleet, type RemoteFleet } from './remote-fleet.js'
import { logStrayFailures } from './stray-failures.js'

if (parentPort === null) throw new Error('this file is the entry of a thread')
process.setSourceMapsEnabled(true)
const port = parentPort
// Most of what takes time here, and it needs nothing of the configuration.
const loading = import('./admin-port.js')
let opening: Promise<AdminSide> | null = null
let fleet: RemoteFleet | null = null

function post (message: FromAdminThread): void { port.postMessage(message) }

async function open ({ engine, logLevel, ...options }: AdminThreadData): Promise<AdminSide> {
  const log = createLogger({ level: logLevel })
  logStrayFailures(log)
  const side = await openAdminSide(options, log)
  if (side.store === null) throw new Error('the store is gone')
  serveEngine(engine, Promise.resolve(side.store.engine), { keep: true })
  post({ type: 'open' })
  return side
}

function start (data: AdminThreadData): void {
  opening = open(data)
  opening.catch(failed)
}

function failed (error: unknown): void {
  post({ type: 'failed', message: explainStart(error) })
}

async function listen (state: Extract<ToAdminThread, { type: 'listen' }>['state']): Promise<void> {
  const side = await opening
  if (side === null) throw new Error('it was not started')
  await loading
  fleet = createRemoteFleet({ state, post, store: side.store?.metrics ?? null })
  post({ type: 'listening', url: await side.listen(fleet) as string })
}

async function close (): Promise<void> {
  fleet?.close()
  await (await opening)?.close()
}

port.on('message', (message: ToAdminThread) => {
  if (message.type === 'start') start(message.data)
  else if (message.type === 'listen') listen(message.state).catch(failed)
  else if (message.type === 'close') void close().catch(() => {}).then(() => { process.exit(0) })
  else fleet?.receive(message)
})
