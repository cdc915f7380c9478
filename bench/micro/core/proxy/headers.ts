/**
 * Nanoseconds to make the fields that an upstream gets and to clean those that it answers with, by their number.
 * Run: node dist/bench/micro/core/proxy/headers.js [--quick]
 */
import { createMemoryRequest } from '../../../../core/memory-exchange.js'
import { upstreamHeaders } from '../../../../core/proxy/request-headers.js'
import { cleanResponseHeaders } from '../../../../core/proxy/response-headers.js'
import { printGrowth, printSizes } from '../../growth.js'
import { nsPerCall } from '../../ns-per-call.js'

const SIZES = [8, 20, 100]
const request = createMemoryRequest({ target: '/api/v1/orders/42' })

function fieldsOf (count: number, first: readonly string[]): string[] {
  const fields = first.slice(0, count * 2)
  for (let n = fields.length / 2; n < count; n++) fields.push(`x-field-${n}`, `the value of field ${n}`)
  return fields
}

printSizes('fields', SIZES)
for (const [title, first] of [
  ['to the upstream', ['host', 'shop.example.com', 'user-agent', 'bench', 'accept', '*/*']], ['to the upstream, behind a trusted proxy', ['host', 'shop.example.com', 'x-forwarded-for', '192.0.2.1', 'x-forwarded-proto', 'https', 'via', '1.1 edge']]
] as const) {
  printGrowth(title, SIZES.map((count) => {
    const fields = fieldsOf(count, first)
    return nsPerCall(() => { upstreamHeaders(request, { fields, requestIdHeader: 'x-request-id', requestId: 'id' }, '127.0.0.1:9001') })
  }))
}
for (const [title, first] of [
  ['from the upstream', ['Date', 'Thu, 01 Jan 2026 00:00:00 GMT', 'Content-Type', 'application/json', 'Content-Length', '110', 'Connection', 'keep-alive']],
  ['from the upstream, with some taken away', ['Connection', 'x-field-4, x-field-5', 'Keep-Alive', 'timeout=5', 'Transfer-Encoding', 'chunked']]
] as const) {
  printGrowth(title, SIZES.map((count) => {
    const raw = fieldsOf(count, first)
    if (cleanResponseHeaders(raw)?.includes('connection') !== false) throw new Error(`${title}: Connection went through`)
    return nsPerCall(() => { cleanResponseHeaders(raw) })
  }))
}
