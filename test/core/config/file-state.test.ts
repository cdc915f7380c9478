import { appendFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { test } from 'tap'
import { readFileState } from '../../../core/config/file-state.js'
import { tempDir } from '../../fixtures/temp-dir.js'

test('file state: what is written while a file is read is in its time and leaves no stamp to trust', async (t) => {
  const file = join(tempDir(t), 'large')
  for (let turns = 1; turns <= 8; turns++) {
    writeFileSync(file, Buffer.alloc(8 * 1024 * 1024, 'x'))
    const reading = readFileState(file)
    for (let turn = 0; turn < turns; turn++) await setImmediate()
    const before = Date.now()
    appendFileSync(file, 'y')
    const { changedAt, stamp } = await reading
    // The file system's clock ticks every few milliseconds.
    t.ok(changedAt >= before - 20, `after ${turns} turns: ${changedAt - before} ms`)
    t.equal(stamp, '')
  }
})
