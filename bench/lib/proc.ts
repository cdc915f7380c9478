/** What Linux tells of processes under /proc. */
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { runCommand } from './child.js'

/** Whether there is a /proc to read. */
export function hasProc (): boolean { return existsSync('/proc/self/stat') }

/** The fields of /proc/PID/stat that the benches use; times in clock ticks. */
export interface ProcStat {
  pid: number
  parent: number
  userTicks: number
  systemTicks: number
}

/** Reads a line of /proc/PID/stat. Throws RangeError for what is none. */
export function parseProcStat (text: string): ProcStat {
  // The second field is the command's name in parentheses, and may hold blanks and parentheses itself.
  const close = text.lastIndexOf(')')
  const fields = text.slice(close + 2).trim().split(' ')
  const numbers = [parseInt(text, 10), Number(fields[1]), Number(fields[11]), Number(fields[12])]
  if (close === -1 || numbers.some((number) => !Number.isInteger(number))) throw new RangeError(`no line of /proc/PID/stat: ${text.slice(0, 80)}`)
  const [pid, parent, userTicks, systemTicks] = numbers as [number, number, number, number]
  return { pid, parent, userTicks, systemTicks }
}

/** The resident memory that a text of /proc/PID/status tells, in bytes; 0 where it tells none (a process that has ended). */
export function parseRss (status: string): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024
}

/** The numbers in a list as the kernel writes it: `0-2,5`. */
export function parseCpuList (list: string): number[] {
  return list.trim().split(',').filter((part) => part !== '').flatMap((part) => {
    const [from, to = from] = part.split('-').map(Number) as [number, number?]
    return Array.from({ length: to - from + 1 }, (_, i) => from + i)
  })
}

/** The cores that this process may run on; empty where /proc does not tell. */
export function allowedCores (): number[] {
  if (!hasProc()) return []
  return parseCpuList(/^Cpus_allowed_list:\s*(.*)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '')
}

/** A process and all that descend from it and still run. */
export function processTree (root: number): ProcStat[] {
  const children = new Map<number, ProcStat[]>()
  let top: ProcStat | null = null
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const stat = statOf(Number(name))
    if (stat === null) continue
    if (stat.pid === root) top = stat
    const siblings = children.get(stat.parent)
    if (siblings === undefined) children.set(stat.parent, [stat])
    else siblings.push(stat)
  }
  if (top === null) return []
  const tree = [top]
  for (const stat of tree) tree.push(...children.get(stat.pid) ?? [])
  return tree
}

/** Microseconds of processor time that a process has had: its main thread, and all of it with threads that have ended, which is told in steps of a clock tick. Null where the system does not tell. */
export function threadTimes (pid: number): { mainMicros: number, allMicros: number } | null {
  const stat = statOf(pid)
  const file = `/proc/${pid}/task/${pid}/schedstat`
  if (stat === null || !existsSync(file)) return null
  return { mainMicros: Number(readFileSync(file, 'utf8').split(' ', 1)[0]) / 1000, allMicros: ticksToMicros(stat.userTicks + stat.systemTicks) }
}

/** The threads of a process by their ids; the first one has that of the process. Empty when it has ended. */
export function threadsOf (pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).map(Number)
  } catch {
    return []
  }
}

/** Has a thread run on these cores alone. Needs taskset. One that has ended meanwhile is no matter. */
export async function pinThread (thread: number, cores: readonly (number | null)[]): Promise<void> {
  try {
    await runCommand('taskset', ['-cp', cores.join(','), String(thread)], null)
  } catch (error) {
    if (existsSync(`/proc/${thread}`)) throw error
  }
}

/** Resident memory of a process in bytes; 0 when it has ended. */
export function rssOf (pid: number): number {
  try {
    return parseRss(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return 0
  }
}

let ticksPerSecond = 0

/** Clock ticks in microseconds. */
export function ticksToMicros (ticks: number): number {
  if (ticksPerSecond === 0) {
    try {
      ticksPerSecond = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }))
    } catch {
      ticksPerSecond = 100
    }
  }
  return ticks * 1e6 / ticksPerSecond
}

function statOf (pid: number): ProcStat | null {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    // It ended between the listing and the reading.
    return null
  }
}
