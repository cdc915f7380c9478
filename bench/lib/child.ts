import { spawn, type ChildProcess } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { once } from 'node:events'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'

/** A process that a bench started and has to end. */
export interface BenchChild {
  readonly child: ChildProcess
  readonly pid: number
  /** Each line that it wrote to stdout and that was JSON. */
  readonly messages: readonly Record<string, unknown>[]
  /** Resolves with the first message, past or future, that fits. Rejects when the process ends before, or after `timeoutMs`. */
  waitFor (fits: (message: Record<string, unknown>) => boolean, timeoutMs?: number): Promise<Record<string, unknown>>
  /** Asks it to end, and makes it when it does not within 3 s. */
  stop (): Promise<void>
}

/** How a process is started. */
export interface ChildPlan {
  /** Arguments of node: flags, the script, its arguments. */
  args: readonly string[]
  /** The core to stay on; null = any. Without `taskset` on PATH any. */
  core: number | null
  env?: Readonly<Record<string, string>>
  /** Opens an IPC channel, for a meter. */
  ipc?: boolean
}

const running = new Set<ChildProcess>()
process.on('exit', () => { for (const child of running) child.kill('SIGKILL') })
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143]] as const) process.once(signal, () => { process.exit(code) })

/** Starts another node. What it writes to stderr is shown when it ends by itself. */
export function startChild (plan: ChildPlan): BenchChild {
  const [command, args] = pinned(process.execPath, plan.args, plan.core)
  const child = spawn(command, args, { env: { ...process.env, ...plan.env }, stdio: ['ignore', 'pipe', 'pipe', ...(plan.ipc === true ? ['ipc' as const] : [])] })
  running.add(child)
  const messages: Record<string, unknown>[] = []
  const listeners = new Set<() => void>()
  let stderr = ''
  let ended: string | null = null
  let stopping = false
  const exited = new Promise<void>((resolve) => {
    const end = (how: string): void => {
      if (ended !== null) return
      ended = how
      running.delete(child)
      if (!stopping) process.stderr.write(stderr)
      for (const listener of [...listeners]) listener()
      resolve()
    }
    child.once('error', (error) => { end(error.message) })
    child.once('close', (code, signal) => { end(signal ?? `exit code ${code}`) })
  })
  child.stderr?.on('data', (chunk: Buffer) => { stderr = (stderr + chunk.toString()).slice(-4_000) })
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (!line.startsWith('{')) return
      messages.push(JSON.parse(line) as Record<string, unknown>)
      for (const listener of [...listeners]) listener()
    })
  }
  return {
    child,
    pid: child.pid ?? -1,
    messages,
    waitFor (fits, timeoutMs = 20_000) {
      return new Promise((resolve, reject) => {
        const settle = (): void => { clearTimeout(timer); listeners.delete(look) }
        const timer = setTimeout(() => { settle(); reject(new Error(`${plan.args.join(' ')} said nothing for ${timeoutMs} ms`)) }, timeoutMs)
        const look = (): void => {
          const message = messages.find(fits)
          if (message !== undefined) { settle(); resolve(message) } else if (ended !== null) { settle(); reject(new Error(`${plan.args.join(' ')} ended early (${ended})`)) }
        }
        listeners.add(look)
        look()
      })
    },
    async stop () {
      stopping = true
      if (ended !== null) return
      child.kill('SIGTERM')
      const timer = setTimeout(() => { child.kill('SIGKILL') }, 3_000)
      await exited
      clearTimeout(timer)
    }
  }
}

/** Runs a command to its end and gives its stdout. Rejects with what it wrote to stderr when it fails. */
export async function runCommand (command: string, args: readonly string[], core: number | null): Promise<string> {
  const [file, all] = pinned(command, args, core)
  const child = spawn(file, all, { stdio: ['ignore', 'pipe', 'pipe'] })
  running.add(child)
  let out = ''
  let err = ''
  child.stdout.on('data', (chunk: Buffer) => { out += chunk.toString() })
  child.stderr.on('data', (chunk: Buffer) => { err += chunk.toString() })
  try {
    const [code] = await once(child, 'close') as [number | null]
    if (code !== 0) throw new Error(`${command} ended with ${code ?? 'a signal'}: ${(err + out).trim().slice(0, 400)}`)
  } finally {
    running.delete(child)
  }
  return out
}

/** Whether there is such a command on PATH. */
export function onPath (command: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, command), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}

let hasTaskset: boolean | null = null

function pinned (command: string, args: readonly string[], core: number | null): [string, string[]] {
  hasTaskset ??= onPath('taskset')
  return core !== null && hasTaskset ? ['taskset', ['-c', String(core), command, ...args]] : [command, [...args]]
}
