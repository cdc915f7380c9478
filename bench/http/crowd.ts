/**
 * A process of its own: opens many connections to a gateway, sends requests over all of them in turn, and keeps them open until it is
 * ended. Arguments: port, connections, requests per second, seconds. Prints a line once the seconds are over.
 */
import { createPacedLoad } from '../lib/paced-load.js'
import { requestText } from './request.js'

/** What the process prints. */
export interface CrowdResult {
  event: 'crowd'
  sent: number
  failed: Record<string, number>
}

const [port, connections, perSecond, seconds] = process.argv.slice(2).map(Number) as [number, number, number, number]
const load = createPacedLoad({ host: '127.0.0.1', port, request: requestText(port) }, connections)
const { sent, failed } = await load.run(perSecond, seconds * 1000)
const result: CrowdResult = { event: 'crowd', sent, failed: Object.fromEntries(failed) }
console.log(JSON.stringify(result))
