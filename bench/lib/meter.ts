import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { hasProc, processTree, rssOf, ticksToMicros } from './proc.js'

/** What a measured process has used so far. */
export interface MeterReading {
  /** User and system time, in microseconds. */
  cpuMicros: number
  /** Resident memory; of several processes the largest one's. */
  rssBytes: number
  /** Null where only the process itself can tell. */
  heapUsedBytes: number | null
  externalBytes: number | null
}

/** Tells what a process has used. */
export interface Meter { read (): Promise<MeterReading> }

/** Node arguments with which a child can be asked over IPC (`stdio` needs an `ipc` entry). */
export const METER_ARGUMENTS: readonly string[] = ['--import', new URL('./meter-preload.js', import.meta.url).href]

/** A meter of a child and its descendants: from /proc where there is one, else by asking it (then without descendants). */
export function createMeter (child: ChildProcess): Meter {
  return hasProc() && child.pid !== undefined ? createProcMeter(child.pid) : createIpcMeter(child)
}

/** Reads /proc: does not disturb the process and counts its workers, in steps of a clock tick (10 ms). */
export function createProcMeter (pid: number): Meter {
  return {
    read () {
      const tree = processTree(pid)
      return Promise.resolve({
        cpuMicros: ticksToMicros(tree.reduce((sum, stat) => sum + stat.userTicks + stat.systemTicks, 0)),
        rssBytes: Math.max(0, ...tree.map((stat) => rssOf(stat.pid))),
        heapUsedBytes: null,
        externalBytes: null
      })
    }
  }
}

/** Asks the child itself, which was started with METER_ARGUMENTS. */
export function createIpcMeter (child: ChildProcess): Meter {
  return {
    async read () {
      child.send('measure')
      for (;;) {
        const [message] = await once(child, 'message', { signal: AbortSignal.timeout(10_000) }) as [{ measured?: MeterReading } | null]
        if (message?.measured !== undefined) return message.measured
      }
    }
  }
}
