import type { ProjectTemplate } from './template.js'

const CONFIG = `# yaml-language-server: $schema=gateway.schema.json
# An API in two versions. \`node orders.mjs\` serves it, \`sluice start\` puts the gateway in front.

listen: { host: 127.0.0.1, port: 8080, health: true }
admin: { port: 8081 }

plugins:
  - security-headers

projects:
  shop:
    # hosts: [ shop.example.com ]   # left out: any host
    basePath: /api
    upstreams:
      orders:
        targets: [ "\${ORDERS_URL:-http://127.0.0.1:9001}" ]
        timeouts: { headers: 10s }
    plugins:
      - cors: { origins: [ "http://localhost:3000" ], exposeHeaders: [ location, x-request-id, sunset ] }
      - request-size: { maxBody: 64kb }
    routes:
      - id: orders-v2
        match: { path: "/v2/orders/*", methods: [ GET, POST ] }
        upstream: orders
        rewrite: "/v2/orders/*"

      # The version before says until when it is served (RFC 8594).
      - id: orders-v1
        match: { path: "/v1/orders/*", methods: [ GET ] }
        upstream: orders
        rewrite: "/v1/orders/*"
        plugins:
          - headers: { response: { set: { sunset: "Fri, 31 Dec 2027 23:59:59 GMT" } } }

      # Who names no version gets the newest.
      - id: orders-latest
        match: { path: "/orders/*" }
        plugins:
          - redirect: { to: "/api/v2/orders/{{ params.* }}", status: 307, keepQuery: true }

environments:
  production:
    listen: { host: 0.0.0.0 }
`

const SERVER = `// A small Orders API in memory: \`node orders.mjs [PORT]\`.
import { createServer } from 'node:http'

const orders = [{ number: 1001, customer: 'Ada', totalCents: 780 }, { number: 1002, customer: 'Grace', totalCents: 2750 }]
const shown = {
  v1: ({ number, customer, totalCents }) => ({ id: number, name: customer, total: totalCents / 100 }),
  v2: (order) => order
}

createServer(async (req, res) => {
  const send = (status, body) => { res.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body)) }
  const [version, collection, number] = new URL(req.url, 'http://orders').pathname.split('/').filter(Boolean)
  const show = Object.hasOwn(shown, version ?? '') ? shown[version] : null
  if (show === null || collection !== 'orders') return send(404, { error: 'there is nothing at this path' })
  if (req.method === 'POST' && version === 'v2') {
    let text = ''
    for await (const chunk of req) text += chunk
    let order = null
    try { order = JSON.parse(text) } catch {}
    if (typeof order?.customer !== 'string' || !Number.isInteger(order.totalCents)) return send(400, { error: 'customer and totalCents are needed' })
    orders.push({ number: 1001 + orders.length, customer: order.customer, totalCents: order.totalCents })
    return send(201, orders.at(-1))
  }
  if (number === undefined) return send(200, orders.map(show))
  const order = orders.find((one) => one.number === Number(number))
  return order === undefined ? send(404, { error: 'there is no such order' }) : send(200, show(order))
}).listen(Number(process.argv[2] ?? 9001), '127.0.0.1', function () { console.log(\`orders on http://127.0.0.1:\${this.address().port}\`) })
`

/** An API in two versions, with the API. */
export const ORDERS: ProjectTemplate = {
  name: 'orders',
  description: 'a small Orders API in two versions, and the gateway in front of it',
  files: [['gateway.config.yaml', CONFIG], ['orders.mjs', SERVER]],
  try: 'node orders.mjs & curl -i http://127.0.0.1:8080/api/v2/orders'
}
