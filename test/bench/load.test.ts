import { createServer } from 'node:http'
import { createServer as createTcpServer, type AddressInfo } from 'node:net'
import { once } from 'node:events'
import { test } from 'tap'
import { parseAutocannon, parseWrk, runLoad } from '../../bench/lib/load.js'
import { createPacedLoad } from '../../bench/lib/paced-load.js'

const WRK = `Running 2s test @ http://127.0.0.1:33479/api/v1/orders
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     2.53ms    3.62ms  92.10ms   95.27%
    Req/Sec    30.84k     9.84k   37.24k    85.71%
  Latency Distribution
     50%  812.00us
     75%    2.13ms
     90%    3.40ms
     99%    1.02s
  64514 requests in 2.10s, 17.29MB read
Requests/sec:  30750.22
Transfer/sec:      8.24MB
`

test('load: reads what wrk prints', (t) => {
  t.same(parseWrk(WRK), { requests: 64514, seconds: 2.1, perSecond: 64514 / 2.1, p50Ms: 0.812, p99Ms: 1020, errors: [] })
  const broken = WRK.replace('Requests/sec', '  Socket errors: connect 0, read 3, write 0, timeout 12\n  Non-2xx or 3xx responses: 17\nRequests/sec')
  t.same(parseWrk(broken).errors, ['17 answers were not 2xx or 3xx', '3 read errors', '12 timeout errors'])
  t.same(parseWrk(WRK.replace('64514 requests in 2.10s', '0 requests in 1.00m')), { requests: 0, seconds: 60, perSecond: 0, p50Ms: 0.812, p99Ms: 1020, errors: ['no request was answered'] })
  t.throws(() => parseWrk('unable to connect to 127.0.0.1:1 Connection refused\n'), /wrk said something else: unable to connect/)
  t.end()
})

test('load: reads what autocannon prints as JSON', (t) => {
  const printed = { duration: 2.5, requests: { total: 5000, average: 2000 }, latency: { p50: 3, p99: 12 }, errors: 0, timeouts: 0, resets: 0, non2xx: 0 }
  const text = (changes: object): string => `\n${JSON.stringify({ ...printed, ...changes })}\n`
  t.same(parseAutocannon(text({})), { requests: 5000, seconds: 2.5, perSecond: 2000, p50Ms: 3, p99Ms: 12, errors: [] })
  t.same(parseAutocannon(text({ errors: 5, timeouts: 2, non2xx: 1, resets: 4 })).errors, ['1 answers were not 2xx', '3 connection errors', '2 timeout errors', '4 resets'])
  t.same(parseAutocannon(text({ requests: { total: 0 } })).errors, ['no request was answered'])
  t.throws(() => parseAutocannon('command not found'), /autocannon said something else/)
  t.end()
})

test('load: autocannon in its own process loads a server and sees its refusals', async (t) => {
  let seen = 0
  const server = createServer((_req, res) => { seen++; res.writeHead(seen % 2 === 0 ? 503 : 200).end('x') })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => { server.close(); server.closeAllConnections() })
  const { port } = server.address() as AddressInfo
  const result = await runLoad({ tool: 'autocannon', url: `http://127.0.0.1:${port}/x`, connections: 2, seconds: 1, headers: { 'x-from': 'test' }, core: null })
  t.ok(result.requests > 0 && result.perSecond > 0)
  t.match(result.errors, [/^\d+ answers were not 2xx$/])
})

test('paced-load: sends at its rate, waits for all answers and counts what failed', async (t) => {
  let answered = 0
  const server = createTcpServer((socket) => {
    socket.on('data', () => {
      answered++
      if (answered % 10 === 3) socket.write('HTTP/1.1 503 Service Unavailable\r\ncontent-length: 2\r\n\r\nno')
      else if (answered % 10 === 7) socket.end()
      else {
        // In two pieces, the first without the end of the head.
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 5\r\n')
        setImmediate(() => { socket.write('\r\nhello') })
      }
    })
    socket.on('error', () => {})
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(() => server.close())
  const load = createPacedLoad({ host: '127.0.0.1', port: (server.address() as AddressInfo).port, request: 'GET / HTTP/1.1\r\nHost: x\r\n\r\n' }, 3)
  const { sent, latenciesMs, failed } = await load.run(200, 500)
  load.close()
  t.equal(sent, 100)
  t.equal(failed.get('status 503'), 10)
  t.equal(failed.get('the connection was closed'), 10)
  t.equal(latenciesMs.length, 80)
  t.ok(latenciesMs.every((latency) => latency > 0))
})
