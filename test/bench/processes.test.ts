import { readFileSync } from 'node:fs'
import { test } from 'tap'
import { onPath, startChild } from '../../bench/lib/child.js'
import { createIpcMeter, createProcMeter, METER_ARGUMENTS } from '../../bench/lib/meter.js'
import { allowedCores, hasProc, parseCpuList, parseProcStat, parseRss, pinThread, processTree, threadsOf } from '../../bench/lib/proc.js'

// Burns CPU until it has used 200 ms of it, tells so, then waits to be ended.
const BURN = 'for (let n = 0; process.cpuUsage().user < 200_000;) for (let i = 0; i < 1e6; i++) n += i; console.log(\'{"event":"ready"}\'); setInterval(() => {}, 1000)'
const script = (text: string): string[] => ['--input-type=module', '--eval', text]

test('proc: reads /proc/PID/stat, whatever the command is called', (t) => {
  const tail = 'S 71 4242 4242 0 -1 4194560 5183 0 10 0 123 45 6 7 20 0 11 0 98765 722513920 12000 18446744073709551615'
  t.same(parseProcStat(`4242 (node) ${tail}\n`), { pid: 4242, parent: 71, userTicks: 123, systemTicks: 45 })
  t.same(parseProcStat(`4242 (a) S 1 (b c) ${tail}`), { pid: 4242, parent: 71, userTicks: 123, systemTicks: 45 })
  t.throws(() => parseProcStat(''), RangeError)
  t.throws(() => parseProcStat('4242 (node'), RangeError)
  t.equal(parseRss('Name:\tnode\nVmPeak:\t  999 kB\nVmRSS:\t   48120 kB\nThreads:\t11\n'), 48120 * 1024)
  t.equal(parseRss('Name:\tgone\nState:\tZ (zombie)\n'), 0)
  t.same(parseCpuList('0-2,5\n'), [0, 1, 2, 5])
  t.same(parseCpuList(''), [])
  t.end()
})

test('meter: /proc and the process itself tell about the same CPU time and memory', { skip: hasProc() ? false : 'there is no /proc' }, async (t) => {
  const burning = startChild({ args: [...METER_ARGUMENTS, ...script(BURN)], core: null, ipc: true })
  t.teardown(() => burning.stop())
  await burning.waitFor(({ event }) => event === 'ready')
  const outside = await createProcMeter(burning.pid).read()
  const inside = await createIpcMeter(burning.child).read()
  t.ok(inside.cpuMicros >= 200_000)
  t.ok(Math.abs(inside.cpuMicros - outside.cpuMicros) < 60_000, `${inside.cpuMicros} and ${outside.cpuMicros}`)
  t.ok(inside.rssBytes > 10e6 && outside.rssBytes > 10e6)
  t.ok(inside.heapUsedBytes !== null && inside.heapUsedBytes > 1e6)
  t.equal(outside.heapUsedBytes, null)
})

test('meter: what descendants use counts, and memory is the largest one\'s', { skip: hasProc() ? false : 'there is no /proc' }, async (t) => {
  const parent = startChild({
    args: script(`import { spawn } from 'node:child_process'
      const child = spawn(process.execPath, ['--input-type=module', '--eval', ${JSON.stringify(BURN)}], { stdio: ['ignore', 'inherit', 'inherit'] })
      process.on('SIGTERM', () => { child.on('exit', () => process.exit()); child.kill() })`),
    core: null
  })
  t.teardown(() => parent.stop())
  await parent.waitFor(({ event }) => event === 'ready')
  t.equal(processTree(parent.pid).length, 2)
  const reading = await createProcMeter(parent.pid).read()
  t.ok(reading.cpuMicros >= 200_000, `${reading.cpuMicros}`)
  t.ok(reading.rssBytes > 10e6)
})

test('proc: threads are put on cores, each for itself, and one that has ended is no matter', { skip: hasProc() && onPath('taskset') ? false : 'there is no taskset' }, async (t) => {
  const child = startChild({ args: script(BURN), core: null })
  t.teardown(() => child.stop())
  await child.waitFor(({ event }) => event === 'ready')
  const threads = threadsOf(child.pid)
  t.ok(threads.includes(child.pid) && threads.length > 1, `${threads.length} threads`)
  const coresOf = (thread: number): number[] => parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync(`/proc/${child.pid}/task/${thread}/status`, 'utf8'))?.[1] ?? '')
  const all = allowedCores()
  await pinThread(child.pid, [all[0] ?? 0])
  t.same(coresOf(child.pid), all.slice(0, 1))
  const other = threads.find((thread) => thread !== child.pid) ?? 0
  t.same(coresOf(other), all)
  await pinThread(child.pid, all)
  t.same(coresOf(child.pid), all)
  await child.stop()
  t.same(threadsOf(child.pid), [])
  await pinThread(child.pid, all)
})

test('child: tells when a process ends before it is ready, and can be asked twice', async (t) => {
  const child = startChild({ args: script('console.log("text"); console.log(JSON.stringify({ event: "almost" })); process.exit(3)'), core: null })
  await t.rejects(child.waitFor(({ event }) => event === 'ready'), /ended early \(exit code 3\)/)
  t.same(await child.waitFor(({ event }) => event === 'almost'), { event: 'almost' })
  await child.stop()
  const silent = startChild({ args: script('setInterval(() => {}, 1000)'), core: null })
  await t.rejects(silent.waitFor(() => true, 300), /said nothing for 300 ms/)
  await silent.stop()
  t.equal(silent.child.signalCode, 'SIGTERM')
})
