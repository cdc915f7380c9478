/**
 * A process of its own: sends paced requests in turns to the origin directly and through the gateway, 250 ms each, so that both see
 * the same machine; prints percentiles of both. Arguments: origin's port, gateway's port, requests per second, seconds, connections.
 */
import { createPacedLoad, type PacedSamples } from '../lib/paced-load.js'
import { quantile } from '../lib/stats.js'
import { requestText } from './request.js'

/** What the process prints. Milliseconds. */
export interface AddedLatency {
  event: 'latency'
  samples: number
  direct: { p50: number, p99: number }
  through: { p50: number, p99: number }
  failed: Record<string, number>
}

const [originPort, gatewayPort, perSecond, seconds, connections] = process.argv.slice(2).map(Number) as [number, number, number, number, number]
const BLOCK_MS = 250

const direct = createPacedLoad({ host: '127.0.0.1', port: originPort, request: requestText(originPort) }, connections)
const through = createPacedLoad({ host: '127.0.0.1', port: gatewayPort, request: requestText(gatewayPort) }, connections)

// At this rate V8 has compiled what is hot after 3 000 requests; until then the p99 of every forwarder, the bare one too, is that of its interpreter.
const WARM_UP_BLOCKS = 12
const all: { direct: PacedSamples[], through: PacedSamples[] } = { direct: [], through: [] }
const blocks = Math.round(seconds * 1000 / BLOCK_MS / 2)
for (let block = -WARM_UP_BLOCKS; block < blocks; block++) {
  const pair = [await direct.run(perSecond, BLOCK_MS), await through.run(perSecond, BLOCK_MS)] as const
  if (block < 0) continue
  all.direct.push(pair[0])
  all.through.push(pair[1])
}
direct.close()
through.close()

const failed: Record<string, number> = {}
for (const { failed: problems } of [...all.direct, ...all.through]) for (const [problem, count] of problems) failed[problem] = (failed[problem] ?? 0) + count
const latencies = all.through.flatMap(({ latenciesMs }) => latenciesMs)
const result: AddedLatency = { event: 'latency', samples: latencies.length, direct: percentiles(all.direct.flatMap(({ latenciesMs }) => latenciesMs)), through: percentiles(latencies), failed }
console.log(JSON.stringify(result))

function percentiles (samples: number[]): { p50: number, p99: number } {
  return { p50: quantile(samples, 0.5), p99: quantile(samples, 0.99) }
}
