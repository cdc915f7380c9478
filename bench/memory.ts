/**
 * `npm run bench:memory [-- --help]`: what a gateway in a fresh process takes of memory while 1 GB goes through it each way, and for
 * each of many clients that hardly read; and whether it gives back its sockets. Exit code 1 when a promise is broken.
 */
import { parseArgs } from 'node:util'
import { measureSlowReaders, measureTransfer, startMemorySubject } from './lib/memory.js'
import { hasProc } from './lib/proc.js'

const HELP = `npm run bench:memory -- [options]

  --megabytes N   sent each way (1000)
  --readers N     clients that hardly read, 100 MB each (1000); of few, what the process takes anyway weighs in each share
  --seconds N     how long they do that (10)
  --json          the result as JSON on stdout

Needs /proc. Promises: the transfer grows the process by less than 30 MB, a slow reader by at most 320 KiB, and what was open is closed (5 more are allowed).
`
const { values: flags } = parseArgs({
  options: {
    megabytes: { type: 'string', default: '1000' }, readers: { type: 'string', default: '1000' }, seconds: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false }, help: { type: 'boolean', default: false }
  }
})
if (flags.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const [megabytes, readers, seconds] = [flags.megabytes, flags.readers, flags.seconds].map(Number) as [number, number, number]
if (!hasProc() || ![megabytes, readers, seconds].every((value) => Number.isInteger(value) && value > 0)) {
  process.stderr.write(HELP)
  process.exit(2)
}

const MOST_GROWTH = 30e6
const MOST_PER_READER = 320 * 1024
const MOST_LEFT_OPEN = 5

// A process each: what one run leaves in the heap is not to be the other's start.
const first = await startMemorySubject()
const transfer = await measureTransfer(first, megabytes * 1e6, megabytes * 1e6).finally(() => first.stop())
const second = await startMemorySubject()
const slow = await measureSlowReaders(second, readers, 100e6, seconds).finally(() => second.stop())

const kept = {
  transfer: transfer.growthBytes < MOST_GROWTH,
  readers: slow.bytesPerReader <= MOST_PER_READER,
  descriptors: slow.descriptorsAfter <= slow.descriptorsBefore + MOST_LEFT_OPEN
}
if (flags.json) process.stdout.write(`${JSON.stringify({ node: process.versions.node, megabytes, readers, transfer, slow, kept }, null, 2)}\n`)
else {
  const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`
  process.stdout.write(`Node ${process.versions.node}
${megabytes} MB down, then up   RSS ${mb(transfer.idleBytes)} -> ${mb(transfer.peakBytes)}: ${mb(transfer.growthBytes)} more, in ${transfer.seconds.toFixed(1)} s   ${verdict(kept.transfer)} (< ${mb(MOST_GROWTH)})
${readers} slow readers       RSS ${mb(slow.idleBytes)} -> ${mb(slow.peakBytes)}: ${(slow.bytesPerReader / 1024).toFixed(0)} KiB each   ${verdict(kept.readers)} (<= ${MOST_PER_READER / 1024} KiB)
open files            ${slow.descriptorsBefore} -> ${slow.descriptorsDuring} -> ${slow.descriptorsAfter}   ${verdict(kept.descriptors)} (+ ${MOST_LEFT_OPEN})
`)
}
if (!Object.values(kept).every(Boolean)) process.exitCode = 1

function verdict (holds: boolean): string { return holds ? 'ok' : 'BROKEN' }
