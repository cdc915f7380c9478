import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { createChangeSequence, type SequenceDocument } from '../../../core/state/mongodb-sequence.js'

interface Shared extends SequenceDocument {
  readonly pending: Record<string, number>
  value: number
  /** True = calls reject. */
  gone: boolean
}

/** The document of the sequence, as several nodes share it. */
function sharedDocument (): Shared {
  const shared: Shared = {
    value: 0,
    pending: {},
    gone: false,
    async enter (token, floor, count) {
      answers()
      shared.pending[token] = floor
      shared.value += count
      return shared.value - count
    },
    async leave (token) {
      answers()
      const there = token in shared.pending
      delete shared.pending[token]
      return there
    },
    async read () {
      answers()
      return { value: shared.value, pending: { ...shared.pending } }
    }
  }
  const answers = (): void => { if (shared.gone) throw new Error('gone') }
  return shared
}

const OPTIONS = { abandonedMs: 50, settleMs: 100 }
const noRenumber = (): Promise<void> => Promise.reject(new Error('not to be called'))

function gate (): { opened: Promise<void>, open: () => void } {
  let open = (): void => {}
  const opened = new Promise<void>((resolve) => { open = resolve })
  return { opened, open }
}

test('sequence: readers stop below a write that is under way, and go on when it is made', async (t) => {
  const shared = sharedDocument()
  const [slow, fast, reader] = [createChangeSequence(shared, OPTIONS), createChangeSequence(shared, OPTIONS), createChangeSequence(shared, { ...OPTIONS, abandonedMs: 60_000 })]
  await fast.write(async (seq) => { t.equal(seq, 1) }, noRenumber)
  t.equal(await slow.settled(), 1)
  const { opened, open } = gate()
  const writing = slow.write(async (seq) => {
    await opened
    return seq
  }, noRenumber)
  await fast.write(async (seq) => { t.equal(seq, 3) }, noRenumber)
  t.equal(await reader.settled(), 1, '3 is made, 2 is not')
  open()
  t.equal(await writing, 2)
  t.equal(await reader.settled(), 3)
})

test('sequence: a writer that knew only old numbers does not take back what was settled', async (t) => {
  const shared = sharedDocument()
  const [busy, late] = [createChangeSequence(shared, OPTIONS), createChangeSequence(shared, OPTIONS)]
  for (let index = 0; index < 5; index++) await busy.write(async () => {}, noRenumber)
  t.equal(await busy.settled(), 5)
  const { opened, open } = gate()
  const writing = late.write(() => opened, noRenumber)
  t.same(Object.values(shared.pending), [0], 'it knew of nothing')
  t.equal(await busy.settled(), 5)
  open()
  await writing
  t.equal(await busy.settled(), 6)
})

test('sequence: a write that a reader gave up gets a new number when it was only slow', async (t) => {
  const shared = sharedDocument()
  const [slow, reader] = [createChangeSequence(shared, OPTIONS), createChangeSequence(shared, OPTIONS)]
  const { opened, open } = gate()
  const renumbered: [number, number][] = []
  const writing = slow.write(() => opened, async (from, to) => { renumbered.push([from, to]) })
  t.equal(await reader.settled(), 0)
  await delay(70)
  t.equal(await reader.settled(), 1, 'given up')
  open()
  await writing
  t.same(renumbered, [[1, 2]])
  t.equal(await reader.settled(), 2)
  t.same(shared.pending, {})
})

test('sequence: the number of a write that failed is given back a moment later, and the error is the write\'s', async (t) => {
  const shared = sharedDocument()
  const sequence = createChangeSequence(shared, { ...OPTIONS, abandonedMs: 60_000 })
  await t.rejects(sequence.write(() => Promise.reject(new Error('no')), noRenumber), { message: 'no' })
  t.equal(await sequence.settled(), 0, 'it may still be made')
  // The sequence keeps no process alive.
  for (let left = 200; left > 0 && Object.keys(shared.pending).length > 0; left--) await delay(20)
  t.equal(await sequence.settled(), 1)
})

test('sequence: a write that was made succeeds although its number can not be given back then, and that is made up for', async (t) => {
  const shared = sharedDocument()
  const sequence = createChangeSequence(shared, { ...OPTIONS, abandonedMs: 60_000 })
  t.equal(await sequence.write(async () => {
    shared.gone = true
    return 'made'
  }, noRenumber), 'made')
  shared.gone = false
  t.equal(await sequence.settled(), 0)
  for (let left = 200; left > 0 && Object.keys(shared.pending).length > 0; left--) await delay(20)
  t.equal(await sequence.settled(), 1)
})

test('sequence: a write of several documents has as many numbers, of which each is given another where a reader gave it up', async (t) => {
  const shared = sharedDocument()
  const [slow, fast, reader] = [createChangeSequence(shared, OPTIONS), createChangeSequence(shared, OPTIONS), createChangeSequence(shared, OPTIONS)]
  t.equal(await fast.write(async (first) => first, noRenumber, 3), 1)
  t.equal(await reader.settled(), 3)
  const { opened, open } = gate()
  const renumbered: [number, number][] = []
  const writing = slow.write(async (first) => { await opened; return first }, async (from, to) => { renumbered.push([from, to]) }, 2)
  t.equal(await fast.write(async (first) => first, noRenumber), 6, 'behind all of them')
  t.ok(await reader.settled() < 4, 'none of them is passed')
  await delay(70)
  t.equal(await reader.settled(), 6, 'given up')
  open()
  t.equal(await writing, 4)
  t.same(renumbered, [[4, 7], [5, 8]])
  t.equal(await reader.settled(), 8)
})

test('sequence: once closed, nothing is tried again', async (t) => {
  const shared = sharedDocument()
  const sequence = createChangeSequence(shared, OPTIONS)
  await t.rejects(sequence.write(() => Promise.reject(new Error('no')), noRenumber))
  sequence.close()
  await delay(600)
  t.equal(Object.keys(shared.pending).length, 1, 'readers give it up')
})
