import { readFileSync } from 'node:fs'

const FILE = `/proc/self/task/${process.pid}/schedstat`

/**
 * Milliseconds of processor time that the main thread of this process has had; null where the system does not tell. Says what the thread
 * itself does on a machine that others use too: how late a loop is says more of them.
 */
export function mainThreadCpuMs (): number | null {
  try {
    return Number(readFileSync(FILE, 'utf8').split(' ', 1)[0]) / 1e6
  } catch {
    return null
  }
}

/** Processor time of each turn of the event loop, from one timer to the next, until it is stopped: sorted, in milliseconds. Null where the system does not tell. */
export function watchTurns (): () => number[] | null {
  const turns: number[] = []
  let last = mainThreadCpuMs()
  const timer = setInterval(() => {
    const now = mainThreadCpuMs()
    if (now !== null && last !== null) turns.push(now - last)
    last = mainThreadCpuMs()
  }, 1)
  return () => {
    clearInterval(timer)
    return last === null ? null : turns.sort((a, b) => a - b)
  }
}
