import { parentPort } from 'node:worker_threads'
import { gzipSync } from 'node:zlib'
import reference from '@scalar/fastify-api-reference'
import Fastify from 'fastify'

// The package gives its script to a Fastify that it is registered with, and in no other way.
const app = Fastify()
await app.register(reference, { routePrefix: '/', configuration: { url: 'openapi.json' } })
const { statusCode, rawPayload } = await app.inject('/js/scalar.js')
if (statusCode !== 200) throw new Error(`the API reference gives no script: ${statusCode}`)
const bytes = new Uint8Array(gzipSync(rawPayload, { level: 9 }))
parentPort?.postMessage(bytes, [bytes.buffer])
