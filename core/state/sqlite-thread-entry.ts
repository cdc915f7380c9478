/** The thread in which the embedded store works (`sqlite-thread.ts`). */
import { parentPort, workerData } from 'node:worker_threads'
import { asError } from '../lib/as-error.js'
import type { DocumentEngine, KeptDocument } from './document-engine.js'
import { openSqliteEngine, type SqliteOptions } from './sqlite-engine.js'
import type { Call, FromThread, ThreadError, ToThread } from './sqlite-thread-protocol.js'

if (parentPort === null) throw new Error('this file is the entry of a thread')
const port = parentPort
const opening = openSqliteEngine(workerData as SqliteOptions)
// Whoever asks first is told why it can not be opened; until then it is nobody's.
opening.catch(() => {})
const readings = new Map<number, AsyncIterator<KeptDocument[]>>()
let lastReading = 0
let unwatch: (() => void) | null = null

port.on('message', (message: ToThread) => {
  if (message.kind === 'watch') { void watch(); return }
  if (message.kind === 'unwatch') { unwatch?.(); unwatch = null; return }
  if (message.kind === 'stop') { readings.delete(message.reading); return }
  void answer(message)
})

async function watch (): Promise<void> {
  try {
    const engine = await opening
    unwatch ??= engine.onChange(() => { send({ kind: 'change' }) })
  } catch {
    // The call that opened it has the error.
  }
}

async function answer (call: Call & { readonly id: number }): Promise<void> {
  try {
    send({ kind: 'value', id: call.id, value: await perform(await opening, call) })
  } catch (thrown) {
    const { name, message, stack } = asError(thrown)
    const { version, known } = thrown as Partial<ThreadError>
    send({ kind: 'error', id: call.id, error: { name, message, stack, version, known } })
  }
  if (call.kind === 'close') port.close()
}

async function perform (engine: DocumentEngine, call: Call): Promise<unknown> {
  switch (call.kind) {
    case 'method': return await (engine[call.method] as (...args: readonly unknown[]) => Promise<unknown>)(...call.args)
    case 'read':
      readings.set(++lastReading, engine.readAll(...call.args)[Symbol.asyncIterator]())
      return lastReading
    case 'next': {
      const piece = await readings.get(call.reading)?.next()
      return piece === undefined || piece.done === true ? null : piece.value
    }
    case 'close':
      unwatch?.()
      await engine.close()
  }
}

function send (message: FromThread): void { port.postMessage(message) }
