import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { createSilence, type SilenceOptions } from '../../../core/state/silence.js'

const make = (options: Partial<SilenceOptions> = {}): ReturnType<typeof createSilence> =>
  createSilence({ name: 'the store', limitMs: () => 100, longestMs: 600, patientMs: 400, isAnswer: () => false, ...options })
const never = (): Promise<never> => new Promise(() => {})

async function timed (act: Promise<unknown>): Promise<{ ms: number, outcome: string }> {
  const from = performance.now()
  const outcome = await act.then((value) => String(value), (error: unknown) => `${(error as Error).name}: ${(error as Error).message}`)
  return { ms: performance.now() - from, outcome }
}

test('silence: a call of which nothing is heard is given up, and then none has to wait until something is heard', async (t) => {
  let back = 0
  const silence = make({ onBack: () => { back++ } })
  const { ms, outcome } = await timed(silence.bounded(never))
  t.match(outcome, /^StoreUnavailableError: the store did not answer within \d+ ms$/)
  t.ok(ms >= 95, `${ms.toFixed(0)} ms`)
  t.ok(silence.gone)
  let asked = 0
  const all = await timed(Promise.allSettled(Array.from({ length: 20 }, () => silence.bounded(() => { asked++; return never() }))))
  t.ok(all.ms < 90, `20 of them take ${all.ms.toFixed(0)} ms`)
  t.equal(asked, 0)
  t.match((await timed(silence.bounded(never))).outcome, /does not answer$/)
  silence.heard()
  t.notOk(silence.gone)
  t.equal(back, 1)
  t.equal(await silence.bounded(async () => 'an answer'), 'an answer')
})

test('silence: one call a second is let through, so that what nobody else hears is found out', async (t) => {
  const silence = make()
  silence.lost()
  await t.rejects(silence.bounded(async () => 'an answer'), /does not answer/)
  await delay(1_050)
  t.equal(await silence.bounded(async () => 'an answer'), 'an answer')
  t.notOk(silence.gone)
})

test('silence: a slow answer is waited for while others are answered, for a time', async (t) => {
  const silence = make()
  const signs = setInterval(() => { silence.heard() }, 20)
  t.equal(await silence.bounded(() => delay(300, 'late')), 'late')
  const { ms, outcome } = await timed(silence.bounded(never))
  clearInterval(signs)
  t.match(outcome, /did not answer within/)
  t.ok(ms >= 590, `given up after ${ms.toFixed(0)} ms`)
  t.notOk(silence.gone, 'but the store is there')
})

test('silence: each step of a call has the time, and none is begun of one that was given up', async (t) => {
  const silence = make()
  t.equal(await silence.bounded(async (inTime) => {
    for (let step = 0; step < 4; step++) {
      inTime()
      await delay(60)
    }
    return 'four steps'
  }), 'four steps')
  let begun = false
  const call = silence.bounded(async (inTime) => {
    await delay(200)
    inTime()
    begun = true
  })
  await t.rejects(call, { name: 'StoreUnavailableError' })
  await delay(150)
  t.notOk(begun)
})

test('silence: what follows the store is made while it is gone, waits longer, and finds out that it is back', async (t) => {
  const silence = make()
  silence.lost()
  t.equal(await silence.bounded(() => delay(50, 'there'), { patient: true }), 'there')
  t.notOk(silence.gone)
  silence.lost()
  const { ms } = await timed(silence.bounded(never, { patient: true }))
  t.ok(ms >= 390 && ms < 5_000, `${ms.toFixed(0)} ms`)
  t.equal(await silence.bounded(() => delay(200, 'late'), { patient: true }), 'late')
  t.ok(silence.gone, 'an answer that takes longer than the silence that is taken for its end is no sign of life')
})

test('silence: a failure that is an answer is a sign of life, and one that comes late is too', async (t) => {
  const silence = make({ isAnswer: (error) => (error as Error).message === 'refused' })
  silence.lost()
  await t.rejects(silence.bounded(() => Promise.reject(new Error('broken')), { patient: true }), /broken/)
  t.ok(silence.gone)
  await t.rejects(silence.bounded(() => Promise.reject(new Error('refused')), { patient: true }), /refused/)
  t.notOk(silence.gone)
})
