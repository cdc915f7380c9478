/** fast-gateway with its own HTTP proxy, which keeps connections alive. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import gateway from 'fast-gateway'
import { CONNECTIONS, originFromArguments } from './conditions.js'

const server = createServer()
gateway({
  restana: { server },
  routes: [{ prefix: '/api', prefixRewrite: '/api', target: originFromArguments(), proxyConfig: { maxSockets: CONNECTIONS } }]
})
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ event: 'ready', listener: 'data', port: (server.address() as AddressInfo).port }))
})
