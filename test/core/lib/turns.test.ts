import { test } from 'tap'
import { createTurns } from '../../../core/lib/turns.js'

test('turns: those with one key go one after the other, whatever becomes of them, and others beside them', async (t) => {
  const inTurn = createTurns()
  const told: string[] = []
  const open: (() => void)[] = []
  const act = (name: string) => async (): Promise<string> => {
    told.push(`${name} begins`)
    await new Promise<void>((resolve) => { open.push(resolve) })
    if (name === 'b') throw new Error('b failed')
    return name
  }
  const all = Promise.allSettled([inTurn('x', act('a')), inTurn('x', act('b')), inTurn('x', act('c')), inTurn('y', act('d'))])
  t.same(told, ['a begins', 'd begins'])
  for (let n = 0; n < 4; n++) {
    while (open.length === 0) await new Promise(setImmediate)
    open.shift()?.()
    await new Promise(setImmediate)
  }
  t.same(told, ['a begins', 'd begins', 'b begins', 'c begins'])
  t.match(await all, [{ value: 'a' }, { status: 'rejected' }, { value: 'c' }, { value: 'd' }])
  t.equal(await inTurn('x', async () => 'again'), 'again')
})
