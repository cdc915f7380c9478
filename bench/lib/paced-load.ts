/** Open-loop load: requests leave when it is their time, whether or not earlier ones have been answered. */
import { connect, type Socket } from 'node:net'

/** Where a paced load goes. */
export interface PacedTarget {
  host: string
  port: number
  /** The whole request, head and body; a function gives that of the n-th, from 0. */
  request: string | ((n: number) => string)
}

/** What a paced load saw. */
export interface PacedSamples {
  /** From writing the request to its last byte of answer, in milliseconds. */
  latenciesMs: number[]
  sent: number
  /** How many requests failed, by what was wrong. */
  failed: Map<string, number>
}

/** A paced load on its own kept-alive connections. */
export interface PacedLoad {
  /** Sends at `perSecond` for `ms`, then waits for what is under way. */
  run (perSecond: number, ms: number): Promise<PacedSamples>
  close (): void
}

/** Makes a paced load with so many connections. A request that finds all of them busy opens one more, so that none has to wait. */
export function createPacedLoad (target: PacedTarget, connections: number): PacedLoad {
  const all = new Set<Connection>()
  const free: Connection[] = []
  const open = (): Connection => {
    const connection = new Connection(target, () => { free.push(connection) }, () => {
      all.delete(connection)
      const at = free.indexOf(connection)
      if (at !== -1) free.splice(at, 1)
    })
    all.add(connection)
    return connection
  }
  for (let i = 0; i < connections; i++) free.push(open())

  return {
    run (perSecond, ms) {
      const samples: PacedSamples = { latenciesMs: [], sent: 0, failed: new Map() }
      return new Promise((resolve) => {
        const start = performance.now()
        let answered = 0
        let sending = true
        const settle = (problem: string | null, latencyMs: number): void => {
          answered++
          if (problem === null) samples.latenciesMs.push(latencyMs)
          else samples.failed.set(problem, (samples.failed.get(problem) ?? 0) + 1)
          if (!sending && answered === samples.sent) resolve(samples)
        }
        const tick = (): void => {
          const elapsed = performance.now() - start
          const due = Math.min(elapsed, ms) * perSecond / 1000
          for (; samples.sent < due; samples.sent++) (free.shift() ?? open()).send(typeof target.request === 'string' ? target.request : target.request(samples.sent), settle)
          if (elapsed < ms) { setTimeout(tick, 1); return }
          sending = false
          if (answered === samples.sent) resolve(samples)
        }
        tick()
      })
    },
    close () { for (const connection of all) connection.close() }
  }
}

type Settle = (problem: string | null, latencyMs: number) => void

/** One kept-alive connection that takes a request at a time and reads answers of a known length. */
class Connection {
  private readonly socket: Socket
  private readonly onFree: () => void
  private settle: Settle | null = null
  private sentAt = 0
  private received = ''
  private wanted = -1

  constructor (target: PacedTarget, onFree: () => void, onGone: () => void) {
    this.onFree = onFree
    this.socket = connect({ host: target.host, port: target.port, noDelay: true })
    this.socket.setEncoding('latin1')
    this.socket.on('data', (text: string) => { this.take(text) })
    this.socket.on('error', (error: NodeJS.ErrnoException) => { this.answer(error.code ?? error.message) })
    this.socket.on('close', () => { this.answer('the connection was closed'); onGone() })
  }

  send (request: string, settle: Settle): void {
    this.settle = settle
    this.received = ''
    this.wanted = -1
    this.sentAt = performance.now()
    this.socket.write(request, 'latin1')
  }

  close (): void { this.socket.destroy() }

  private take (text: string): void {
    this.received += text
    if (this.wanted === -1) {
      const head = this.received.indexOf('\r\n\r\n')
      if (head === -1) return
      const length = /^content-length: *(\d+)\r?$/im.exec(this.received.slice(0, head))
      if (length === null) { this.answer('an answer without length'); this.socket.destroy(); return }
      this.wanted = head + 4 + Number(length[1])
    }
    if (this.received.length < this.wanted) return
    const status = this.received.slice(9, 12)
    this.answer(/^2\d\d$/.test(status) ? null : `status ${status}`)
  }

  private answer (problem: string | null): void {
    const { settle } = this
    if (settle === null) return
    this.settle = null
    if (this.socket.writable) this.onFree()
    settle(problem, performance.now() - this.sentAt)
  }
}
