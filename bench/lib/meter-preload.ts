/**
 * Loaded into a measured process with `--import`: answers `measure` on its IPC channel with the process's own CPU time and memory.
 * With `--expose-gc` the memory is what is left after a full collection.
 */
import type { MeterReading } from './meter.js'

process.on('message', (message: unknown) => {
  if (message !== 'measure') return
  const collect = (globalThis as { gc?: () => void }).gc
  collect?.()
  const { user, system } = process.cpuUsage()
  const { rss, heapUsed, external } = process.memoryUsage()
  const reading: MeterReading = { cpuMicros: user + system, rssBytes: rss, heapUsedBytes: heapUsed, externalBytes: external }
  process.send?.({ measured: reading })
})
// Being measured is no reason to live on.
process.channel?.unref()
