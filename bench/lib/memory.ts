import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startChild, type BenchChild } from './child.js'
import { rssOf } from './proc.js'

/** A gateway in a process of its own, in front of an echo service in another. */
export interface MemorySubject {
  readonly port: number
  /** Resident memory of the gateway. */
  rss (): number
  /** How many files and sockets the gateway has open. */
  descriptors (): number
  stop (): Promise<void>
}

/** Starts both. The route has no plugin that wants a body. Needs /proc. */
export async function startMemorySubject (): Promise<MemorySubject> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-memory-'))
  const cli = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))
  const children: BenchChild[] = []
  const start = async (...args: string[]): Promise<number> => {
    const child = startChild({ args: [cli, ...args], core: null, env: { SLUICE_ADMIN_TOKEN: 'bench-memory-token-0123456789' } })
    children.unshift(child)
    return (await child.waitFor(({ event, listener }) => event === 'ready' && listener !== 'admin'))['port'] as number
  }
  const stop = async (): Promise<void> => {
    for (const child of children) await child.stop()
    rmSync(folder, { recursive: true, force: true })
  }
  try {
    const origin = await start('echo', '--port', '0', '--json')
    const file = join(folder, 'gateway.config.yaml')
    writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
state: { embedded: { path: ${JSON.stringify(join(folder, 'state'))} } }
accessLog: false
plugins: [ security-headers ]
projects:
  memory:
    upstreams: { origin: { targets: [ "http://127.0.0.1:${origin}" ] } }
    routes: [ { id: all, match: { path: "/*" }, upstream: origin } ]
`)
    const port = await start('start', '--config', file, '--json', '--log-level', 'error')
    const { pid } = children[0] as BenchChild
    return { port, rss: () => rssOf(pid), descriptors: () => readdirSync(`/proc/${pid}/fd`).length, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** What a gateway's memory did. */
export interface MemoryGrowth {
  /** Before, after warming up. */
  idleBytes: number
  peakBytes: number
  /** `peakBytes - idleBytes`. */
  growthBytes: number
  seconds: number
}

/** Sends `down` bytes through to a client and `up` bytes to the upstream, one after the other, and watches. Rejects when bytes are missing. */
export async function measureTransfer (subject: MemorySubject, down: number, up: number): Promise<MemoryGrowth> {
  // What every long-lived process has done: its code is compiled, its pools are there. A tenth of a percent of what is measured.
  for (let i = 0; i < 50; i++) await download(subject.port, 1_000)
  await download(subject.port, 16e6)
  await upload(subject.port, 16e6)
  return await watch(subject, async () => {
    await download(subject.port, down)
    await upload(subject.port, up)
  })
}

/** What many clients that hardly read cost. */
export interface ReadersGrowth extends MemoryGrowth {
  bytesPerReader: number
  descriptorsBefore: number
  descriptorsDuring: number
  /** Once the clients have gone. */
  descriptorsAfter: number
}

/** Has `count` clients ask for `bytes` each and read 4 KB a quarter of a second, for `seconds`; then they go. */
export async function measureSlowReaders (subject: MemorySubject, count: number, bytes: number, seconds: number): Promise<ReadersGrowth> {
  for (let i = 0; i < 50; i++) await download(subject.port, 1_000)
  const descriptorsBefore = subject.descriptors()
  const sockets: Socket[] = []
  let descriptorsDuring = 0
  const growth = await watch(subject, async () => {
    for (let i = 0; i < count; i++) {
      const socket = await open(subject.port)
      socket.write(`GET /bytes/${bytes} HTTP/1.1\r\nHost: a\r\n\r\n`)
      sockets.push(socket)
    }
    await Promise.all(sockets.map((socket) => once(socket, 'readable')))
    for (let i = 0; i < seconds * 4; i++) {
      for (const socket of sockets) {
        if (socket.destroyed) throw new Error('the gateway let go of a reader')
        socket.read(Math.min(4_096, socket.readableLength))
      }
      await sleep(250)
    }
    descriptorsDuring = subject.descriptors()
  })
  for (const socket of sockets) socket.destroy()
  let descriptorsAfter = subject.descriptors()
  for (let i = 0; i < 100 && descriptorsAfter > descriptorsBefore; i++) {
    await sleep(100)
    descriptorsAfter = subject.descriptors()
  }
  return { ...growth, bytesPerReader: growth.growthBytes / count, descriptorsBefore, descriptorsDuring, descriptorsAfter }
}

async function watch (subject: MemorySubject, run: () => Promise<void>): Promise<MemoryGrowth> {
  await sleep(500)
  const idleBytes = subject.rss()
  let peakBytes = idleBytes
  const look = (): void => { peakBytes = Math.max(peakBytes, subject.rss()) }
  const timer = setInterval(look, 20)
  const since = performance.now()
  try {
    await run()
    look()
  } finally {
    clearInterval(timer)
  }
  return { idleBytes, peakBytes, growthBytes: peakBytes - idleBytes, seconds: (performance.now() - since) / 1000 }
}

/** Reads an answer of known length to its end and forgets it. */
async function download (port: number, bytes: number): Promise<void> {
  const got = await converse(port, `GET /bytes/${bytes} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`, 0)
  if (got < bytes) throw new Error(`${got} of ${bytes} bytes came`)
}

/** Sends a body and reads what the echo service says of it. */
async function upload (port: number, bytes: number): Promise<void> {
  let answer = ''
  await converse(port, `POST / HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: ${bytes}\r\n\r\n`, bytes, (chunk) => { answer += chunk.toString() })
  if (!new RegExp(`"size": ?${bytes}\\b`).test(answer)) throw new Error(`${bytes} bytes went off, and the answer was ${answer.slice(0, 400)}`)
}

async function converse (port: number, head: string, body: number, seen?: (chunk: Buffer) => void): Promise<number> {
  const socket = await open(port)
  let got = 0
  socket.on('data', (chunk: Buffer) => { got += chunk.length; seen?.(chunk) })
  const over = new Promise<void>((resolve) => { socket.once('close', () => { resolve() }) })
  socket.write(head)
  const piece = Buffer.alloc(64 * 1024)
  const more = (): void => {
    while (body > 0 && !socket.destroyed) {
      const length = Math.min(piece.length, body)
      body -= length
      if (!socket.write(piece.subarray(0, length))) { socket.once('drain', more); return }
    }
  }
  more()
  await over
  return got
}

/** A connection that is not read unless somebody does. */
async function open (port: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', noDelay: true })
  await new Promise<void>((resolve, reject) => { socket.once('connect', resolve).once('error', reject) })
  socket.on('error', () => {})
  return socket
}

function sleep (ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}
