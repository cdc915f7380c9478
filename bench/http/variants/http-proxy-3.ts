/** http-proxy-3 with a keep-alive agent. */
import { Agent, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createProxyServer } from 'http-proxy-3'
import { CONNECTIONS, originFromArguments } from './conditions.js'

const proxy = createProxyServer({ target: originFromArguments(), agent: new Agent({ keepAlive: true, maxSockets: CONNECTIONS }) })
const server = createServer((req, res) => { proxy.web(req, res) })
proxy.on('error', (_error, _req, res) => { if ('writeHead' in res && !res.headersSent) res.writeHead(502).end(); else res.destroy() })
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ event: 'ready', listener: 'data', port: (server.address() as AddressInfo).port }))
})
