import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { watchHeartbeats } from '../../../core/state/mongodb-heartbeats.js'

test('mongodb-heartbeats: a driver whose heartbeats end is found out, not one whose server was taken away', async (t) => {
  const watch = watchHeartbeats(900)
  t.teardown(() => { watch.close() })
  watch.heard('gone:1')
  watch.left('gone:1')
  const beating = setInterval(() => { watch.heard('there:1') }, 100)
  await delay(1_700)
  t.notOk(watch.ended)
  clearInterval(beating)
  for (let left = 100; left > 0 && !watch.ended; left--) await delay(50)
  t.ok(watch.ended)
})
