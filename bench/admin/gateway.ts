import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { request } from 'undici'
import { REQUEST_HEADERS } from '../http/request.js'
import { startChild, type BenchChild } from '../lib/child.js'
import { defaultLoadTool, runLoad } from '../lib/load.js'
import { createPacedLoad } from '../lib/paced-load.js'
import { quantile } from '../lib/stats.js'

/** What all parts of the bench are given. */
export interface AdminBench {
  readonly folder: string
  readonly originUrl: string
  /** The core of what is measured and that of what loads it; null = none is pinned. */
  readonly gatewayCore: number | null
  readonly loadCore: number | null
  readonly rounds: number
  /** Of each round. */
  readonly seconds: number
  /** Per second. */
  readonly writes: number
  /** Requests per second of traffic at a fixed rate. */
  readonly rate: number
  /** In the store, for the boot. */
  readonly projects: number
  say (line: string): void
}

/** A gateway that runs on ports of its own. */
export interface BenchGateway { readonly child: BenchChild, readonly data: number, readonly admin: number, readonly bootMs: number }

/** What came of writes. */
export interface Writes { readonly latenciesMs: number[], readonly failed: Record<string, number> }

/** Which records are written to. */
export type Spread = 'one record' | '20 records'

/** How many projects `makeProjects` makes. */
export const MADE = 20
const TOKEN = 'bench-admin-token-0123456789'
const SLUICE = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))

/** Starts a gateway with an embedded store of this name. */
export async function startGateway ({ folder, originUrl }: AdminBench, name: string, core: number | null, workers = 1): Promise<BenchGateway> {
  const file = join(folder, `${name}.yaml`)
  writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: { host: 127.0.0.1, port: 0 }
${workers === 1 ? '' : `workers: ${workers}\n`}state: { embedded: { path: ${join(folder, name)} } }
accessLog: { file: ${join(folder, `${name}.log`)} }
projects:
  files:
    upstreams: { origin: { targets: [ "${originUrl}" ], connections: 128 } }
    routes:
      - id: direct
        match: { path: /direct }
        plugins:
          - security-headers
          - cors: { origins: [ "https://app.example.com" ], exposeHeaders: [ x-request-id ] }
          - compression
          - headers: { request: { set: { x-gateway: sluice } }, response: { remove: [ x-powered-by ], set: { x-served-for: "{{ request.id }}" } } }
          - respond: { body: "{{ request.method }} {{ request.path }} was answered by the gateway" }
      - { id: all, match: { path: "/*" }, upstream: origin }
`)
  const startedAt = performance.now()
  const child = startChild({ args: [SLUICE, 'start', '--config', file, '--json', '--log-level', 'error'], core, env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const portOf = async (wanted: string): Promise<number> => (await child.waitFor(({ event, listener }) => event === 'ready' && listener === wanted, 60_000))['port'] as number
  const [data, admin] = [await portOf('data'), await portOf('admin')]
  return { child, data, admin, bootMs: performance.now() - startedAt }
}

/** Makes projects, and gives how long each took from the answer that it was made to its first 200. */
export async function makeProjects ({ originUrl }: AdminBench, { admin, data }: BenchGateway): Promise<number[]> {
  const times: number[] = []
  for (let n = 0; n < MADE; n++) {
    const id = `made-${n}`
    const made = await request(`http://127.0.0.1:${admin}/admin/projects`, {
      method: 'POST', headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, body: JSON.stringify({ project_id: id, target_url: originUrl, auth_type: 'none' })
    })
    const text = await made.body.text()
    if (made.statusCode >= 300) throw new Error(`${id} was not made: ${made.statusCode} ${text}`)
    const madeAt = performance.now()
    for (;;) {
      const answer = await request(`http://127.0.0.1:${data}/`, { headers: { host: `${id}.localhost` } })
      await answer.body.dump()
      if (answer.statusCode === 200) break
      if (performance.now() - madeAt > 10_000) throw new Error(`${id} was not served within 10 s`)
    }
    times.push(performance.now() - madeAt)
  }
  return times
}

/** The processes that serve a gateway of several workers. */
export async function workersOf ({ admin }: BenchGateway): Promise<number[]> {
  const status = await request(`http://127.0.0.1:${admin}/status`, { headers: { authorization: `Bearer ${TOKEN}` } })
  const { workers } = await status.body.json() as { workers: { pid: number }[] }
  return workers.map(({ pid }) => pid)
}

/** Saturates the data port for the length of a round; gives how many requests were answered. Rejects where one failed. */
export async function saturate ({ loadCore, seconds }: AdminBench, { data }: BenchGateway, path = '/api/v1/orders?limit=10'): Promise<{ readonly requests: number, readonly perSecond: number }> {
  const load = await runLoad({ tool: defaultLoadTool(), url: `http://127.0.0.1:${data}${path}`, connections: 64, seconds, headers: REQUEST_HEADERS, core: loadCore })
  if (load.errors.length > 0) throw new Error(load.errors.join('; '))
  return load
}

/** No writes yet. */
export function noWrites (): Writes { return { latenciesMs: [], failed: {} } }

/** Writes at the rate for the length of a round; what they took goes to `into`. */
export async function writeFor ({ writes, seconds }: AdminBench, { admin }: BenchGateway, spread: Spread, into: Writes): Promise<void> {
  const paced = createPacedLoad({
    host: '127.0.0.1', port: admin,
    request (n) {
      const body = JSON.stringify({ api_version: `v${n}` })
      const id = spread === 'one record' ? 0 : n % MADE
      return `PATCH /admin/projects/made-${id} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer ${TOKEN}\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n${body}`
    }
  }, 8)
  const samples = await paced.run(writes, seconds * 1000)
  paced.close()
  into.latenciesMs.push(...samples.latenciesMs)
  for (const [problem, times] of samples.failed) into.failed[problem] = (into.failed[problem] ?? 0) + times
}

/** What writes took, in a few numbers. */
export interface WriteFigures { readonly count: number, readonly p50Ms: number, readonly p99Ms: number, readonly failed: Readonly<Record<string, number>> }

/** The figures of writes. */
export function figuresOf ({ latenciesMs, failed }: Writes): WriteFigures {
  return { count: latenciesMs.length, p50Ms: quantile(latenciesMs, 0.5), p99Ms: quantile(latenciesMs, 0.99), failed }
}

/** They as a sentence says them. */
export function shownWrites ({ count, p50Ms, p99Ms, failed }: WriteFigures): string {
  return `writes p50 ${p50Ms.toFixed(1)} ms, p99 ${p99Ms.toFixed(1)} ms, ${count} of them (target: p99 < 50 ms), failed: ${JSON.stringify(failed)}`
}
