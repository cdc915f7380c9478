import { test } from 'tap'
import { createSlowStoreLog } from '../../bin/slow-store-log.js'
import type { EngineCall } from '../../core/state/observed-engine.js'

test('slow store log: one line a second, with how many were left out', (t) => {
  const lines: unknown[] = []
  const none = (): void => { t.fail('only warnings') }
  let now = 0
  const slow = createSlowStoreLog({ debug: none, info: none, error: none, warn: (fields, message) => { lines.push([fields, message]) } }, () => now)
  const call: EngineCall = { operation: 'find', collection: 'plans', shape: 'name:contains limit:20', outcome: 'ok', durationMs: 234.56 }
  slow(call)
  for (now = 10; now < 1_000; now += 100) slow(call)
  now = 1_000
  slow({ ...call, collection: null, outcome: 'unavailable' })
  now = 2_500
  slow(call)
  const line = { operation: 'find', collection: 'plans', shape: 'name:contains limit:20', outcome: 'ok', durationMs: 235, leftOut: 0 }
  t.same(lines, [
    [line, 'a call of the store was slow'],
    [{ ...line, collection: null, outcome: 'unavailable', leftOut: 10 }, 'a call of the store was slow'],
    [line, 'a call of the store was slow']
  ])
  t.end()
})
