import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { createChangeSignal, type ChangeSource } from '../../../core/state/mongodb-changes.js'

const aborted = (signal: AbortSignal): Promise<void> => new Promise((resolve) => { signal.addEventListener('abort', () => { resolve() }) })
const never = (): Promise<never> => Promise.reject(new Error('not to be called'))

async function until (holds: () => boolean): Promise<boolean> {
  for (let left = 250; left > 0 && !holds(); left--) await delay(20)
  return holds()
}

test('change signal: listens to the stream while somebody listens to it, and tells many changes once', async (t) => {
  const streams: { callback: () => void, signal: AbortSignal }[] = []
  const source: ChangeSource = {
    async stream (callback, signal) {
      streams.push({ callback, signal })
      await aborted(signal)
      return 'ended'
    },
    look: never
  }
  const changes = createChangeSignal(source, 10)
  changes.changed()
  t.equal(streams.length, 0, 'nobody listens')
  const calls = { first: 0, second: 0 }
  const stopFirst = changes.onChange(() => { calls.first++ })
  const stopSecond = changes.onChange(() => { calls.second++ })
  t.equal(streams.length, 1, 'one for all')
  for (let index = 0; index < 5; index++) streams[0]?.callback()
  changes.changed()
  t.ok(await until(() => calls.first > 0))
  t.same(calls, { first: 1, second: 1 })
  stopFirst()
  stopFirst()
  t.notOk(streams[0]?.signal.aborted)
  stopSecond()
  t.ok(streams[0]?.signal.aborted)
  const stopThird = changes.onChange(() => {})
  t.equal(streams.length, 2, 'begun anew')
  changes.close()
  t.ok(streams[1]?.signal.aborted)
  stopThird()
})

test('change signal: a stream that broke is opened anew, and listeners are told once it is, since something may have been missed', async (t) => {
  let streams = 0
  const changes = createChangeSignal({
    async stream (callback, signal) {
      if (++streams === 1) throw new Error('broken')
      callback()
      await aborted(signal)
      return 'ended'
    },
    look: never
  }, 10)
  let calls = 0
  changes.onChange(() => { calls++ })
  t.ok(await until(() => streams === 2 && calls === 1))
  changes.close()
})

test('change signal: without streams it looks, also when looking failed, and stops when nobody listens', async (t) => {
  let [value, looks, gone] = [1, 0, false]
  const changes = createChangeSignal({
    stream: async () => 'unsupported',
    async look () {
      looks++
      if (gone) throw new Error('gone')
      return value
    }
  }, 10)
  let calls = 0
  const stop = changes.onChange(() => { calls++ })
  t.ok(await until(() => looks > 2))
  t.equal(calls, 0, 'nothing changed')
  value = 2
  t.ok(await until(() => calls === 1))
  gone = true
  const before = looks
  t.ok(await until(() => looks > before + 2))
  value = 3
  gone = false
  t.ok(await until(() => calls === 2), 'what changed meanwhile')
  stop()
  const last = looks
  await delay(60)
  t.ok(looks <= last + 1, 'one may have been under way')
})
