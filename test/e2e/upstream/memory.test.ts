import { test } from 'tap'
import { measureSlowReaders, measureTransfer, startMemorySubject } from '../../../bench/lib/memory.js'
import { hasProc } from '../../../bench/lib/proc.js'

const skip = hasProc() ? false : 'needs /proc'

test('memory: a gigabyte through a route without body plugins, half of it each way, grows the process by less than 30 MB', { skip }, async (t) => {
  t.setTimeout(120_000)
  const subject = await startMemorySubject()
  t.teardown(() => subject.stop())
  const { growthBytes, seconds } = await measureTransfer(subject, 512e6, 512e6)
  t.comment(`${(growthBytes / 1e6).toFixed(1)} MB in ${seconds.toFixed(1)} s`)
  t.ok(growthBytes < 30e6, `${(growthBytes / 1e6).toFixed(1)} MB`)
})

test('memory: clients that hardly read keep little of what they asked for in the process, and nothing open once they have gone', { skip }, async (t) => {
  t.setTimeout(120_000)
  const subject = await startMemorySubject()
  t.teardown(() => subject.stop())
  const { bytesPerReader, descriptorsBefore, descriptorsDuring, descriptorsAfter } = await measureSlowReaders(subject, 100, 100e6, 2)
  t.comment(`${(bytesPerReader / 1024).toFixed(0)} KiB each; open files ${descriptorsBefore} -> ${descriptorsDuring} -> ${descriptorsAfter}`)
  // bench:memory holds the 320 KiB, with as many readers as make the process's own growth small.
  t.ok(bytesPerReader < 1.5 * 1024 * 1024, `${(bytesPerReader / 1024).toFixed(0)} KiB`)
  t.ok(descriptorsDuring >= descriptorsBefore + 195)
  t.ok(descriptorsAfter <= descriptorsBefore + 5)
})
