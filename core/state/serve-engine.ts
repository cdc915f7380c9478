import type { MessagePort } from 'node:worker_threads'
import { asError } from '../lib/as-error.js'
import type { DocumentEngine, KeptDocument } from './document-engine.js'
import type { Call, EngineError, FromEngine, ToEngine } from './engine-protocol.js'

/**
 * Answers what a remote engine of another thread (`remote-engine.ts`) asks over a port, until it closes the engine, or only lets go of it, where `keep` is set. What is asked before the
 * engine is open waits for it, and rejects as opening it does.
 */
export function serveEngine (port: MessagePort, opening: Promise<DocumentEngine>, { keep = false }: { readonly keep?: boolean } = {}): void {
  const readings = new Map<number, AsyncIterator<KeptDocument[]>>()
  let lastReading = 0
  let unwatch: (() => void) | null = null
  let openings: () => number | undefined = () => undefined
  opening.then((engine) => { openings = () => engine.openings?.() }, () => {})
  const send = (message: FromEngine): void => { port.postMessage({ ...message, openings: openings() } satisfies FromEngine) }

  const watch = async (): Promise<void> => {
    try {
      const engine = await opening
      unwatch ??= engine.onChange(() => { send({ kind: 'change' }) })
    } catch {
      // The call that opened it has the error.
    }
  }

  const perform = async (engine: DocumentEngine, call: Call): Promise<unknown> => {
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
        if (!keep) await engine.close()
    }
  }

  const answer = async (call: Call & { readonly id: number }): Promise<void> => {
    try {
      send({ kind: 'value', id: call.id, value: await perform(await opening, call) })
    } catch (thrown) {
      const { name, message, stack } = asError(thrown)
      const { version, known, reopen } = thrown as Partial<EngineError>
      send({ kind: 'error', id: call.id, error: { name, message, stack, version, known, reopen } })
    }
    if (call.kind === 'close') port.close()
  }

  port.on('message', (message: ToEngine) => {
    if (message.kind === 'watch') void watch()
    else if (message.kind === 'unwatch') {
      unwatch?.()
      unwatch = null
    } else if (message.kind === 'stop') readings.delete(message.reading)
    else void answer(message)
  })
}
