/** @fastify/http-proxy, logger off. */
import type { AddressInfo } from 'node:net'
import fastifyHttpProxy from '@fastify/http-proxy'
import fastify from 'fastify'
import { CONNECTIONS, originFromArguments } from './conditions.js'

const app = fastify({ logger: false })
await app.register(fastifyHttpProxy, { upstream: originFromArguments(), undici: { connections: CONNECTIONS, pipelining: 1 } })
await app.listen({ host: '127.0.0.1', port: 0 })
console.log(JSON.stringify({ event: 'ready', listener: 'data', port: (app.server.address() as AddressInfo).port }))
