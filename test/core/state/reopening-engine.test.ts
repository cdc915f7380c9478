import { test } from 'tap'
import { createReopeningEngine } from '../../../core/state/reopening-engine.js'
import { StoreUnavailableError } from '../../../core/state/store-errors.js'
import { createMemoryEngine, type MemoryEngine } from '../../fixtures/memory-engine.js'

const document = { id: 'p1', customerId: 'acme', rev: 1, unique: [], record: { plan_id: 'p1' } }

test('reopening-engine: where another store is in the place of the one that was open, it lets go of that and opens the other, which whoever listens is told', async (t) => {
  const order: string[] = []
  const engines: MemoryEngine[] = []
  const engine = createReopeningEngine('embedded', async (again) => {
    order.push(again ? 'open again' : 'open')
    const made = createMemoryEngine()
    engines.push(made)
    return { ...made, close: async () => { order.push('close') }, ping: async () => { if (made.gone) throw new StoreUnavailableError('another file is there', { reopen: true }) } }
  }, () => { order.push('opened') })
  let told = 0
  engine.onChange(() => { told++ })
  t.equal(engine.openings?.(), 0)
  await engine.insert('plans', document)
  t.equal(engine.openings?.(), 1)
  const before = told
  engines[0]!.gone = true
  await t.rejects(engine.ping(), { message: 'another file is there' })
  t.equal(await engine.get('plans', 'acme', 'p1'), null, 'the other one is asked, once the first was let go of')
  t.same(order, ['open', 'opened', 'close', 'open again', 'opened'])
  t.equal(engine.openings?.(), 2)
  t.ok(told > before, 'everything may be different')
  await engine.insert('plans', document)
  t.ok(told > before + 1, 'and follows the changes of that one')
  await engine.close()
})

test('reopening-engine: an error that says nothing of that leaves the engine as it is', async (t) => {
  let opened = 0
  const made = createMemoryEngine()
  const engine = createReopeningEngine('embedded', async () => { opened++; return made }, () => {})
  await engine.ping()
  made.gone = true
  for (let n = 0; n < 3; n++) await t.rejects(engine.ping(), { name: 'StoreUnavailableError' })
  made.gone = false
  await engine.ping()
  t.equal(opened, 1)
})

test('reopening-engine: whoever asks for something does not wait long for a store that is being opened, and what follows it does', async (t) => {
  let open: () => void = () => {}
  const engine = createReopeningEngine('mongodb', () => new Promise((resolve) => { open = () => { resolve(createMemoryEngine()) } }), () => {})
  const following = engine.latestSeq()
  const from = performance.now()
  await t.rejects(engine.get('plans', 'acme', 'p1'), { name: 'StoreUnavailableError', message: 'the store is being opened' })
  t.ok(performance.now() - from < 5_000)
  open()
  t.equal(await following, 0)
  t.equal(await engine.get('plans', 'acme', 'p1'), null)
})
