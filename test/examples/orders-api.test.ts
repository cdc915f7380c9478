import { test, type Test } from 'tap'
import { createOrdersApi } from '../../examples/orders/server.js'
import { sendRaw } from '../fixtures/raw-client.js'

async function start (t: Test) {
  const api = await createOrdersApi()
  t.teardown(() => api.close())
  return async (method: string, path: string, body?: unknown) => {
    const answer = await fetch(api.url + path, { method, ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }) })
    const text = await answer.text()
    return { status: answer.status, headers: answer.headers, body: text === '' ? null : JSON.parse(text) }
  }
}

test('orders: version 2 lists, shows, makes, changes and deletes orders', async (t) => {
  const ask = await start(t)
  const list = await ask('GET', '/v2/orders')
  t.equal(list.status, 200)
  t.equal(list.body.count, 3)
  t.same(list.body.data.map((order: { id: string, status: string, totalCents: number }) => [order.id, order.status, order.totalCents]), [['ord_1001', 'new', 780], ['ord_1002', 'paid', 2750], ['ord_1003', 'new', 2700]])
  t.same((await ask('GET', '/v2/orders/?status=paid')).body.data.length, 1)
  const made = await ask('POST', '/v2/orders', { customer: 'Barbara', lines: [{ sku: 'cup', quantity: 2, unitPriceCents: 450 }] })
  t.equal(made.status, 201)
  t.equal(made.headers.get('location'), '/v2/orders/ord_1004')
  t.match(made.body, { id: 'ord_1004', customer: 'Barbara', totalCents: 900, status: 'new', createdAt: /^\d{4}-\d\d-\d\dT/ })
  t.same((await ask('GET', '/v2/orders/ord_1004')).body, made.body)
  t.equal((await ask('PATCH', '/v2/orders/ord_1004', { status: 'paid' })).body.status, 'paid')
  t.equal((await ask('PATCH', '/v2/orders/ord_1004', { status: 'new' })).status, 409)
  t.equal((await ask('DELETE', '/v2/orders/ord_1004')).status, 204)
  t.equal((await ask('DELETE', '/v2/orders/ord_1004')).status, 404)
})

test('orders: version 1 shows the same orders in the older shape', async (t) => {
  const ask = await start(t)
  const list = await ask('GET', '/v1/orders')
  t.same(list.body[1], { id: 1002, customer: 'Grace', item: 'tea-black,pot', qty: 2, total: 27.5, status: 'paid' })
  const made = await ask('POST', '/v1/orders', { customer: 'Kathleen', item: 'pot', qty: 1, price: 24.1 })
  t.same([made.status, made.headers.get('location'), made.body.total], [201, '/v1/orders/1004', 24.1])
  t.same((await ask('GET', '/v2/orders/ord_1004')).body.lines, [{ sku: 'pot', quantity: 1, unitPriceCents: 2410 }])
  const wrong = await ask('POST', '/v1/orders', { customer: 'x', item: 'POT', qty: 0, price: 'much' })
  t.equal(wrong.status, 422)
  t.equal(wrong.body.error, 'the order is not valid; item must be 1 to 40 lower-case letters, digits and dashes; qty must be a whole number from 1 to 1000; price must be an amount in euros')
})

test('orders: wrong requests are told what is wrong, all of it at once', async (t) => {
  const ask = await start(t)
  const wrong = await ask('POST', '/v2/orders', { customer: ' ', lines: [{ sku: 'A', quantity: 1.5, unitPriceCents: -1 }, null] })
  t.equal(wrong.status, 422)
  t.same(wrong.body.errors.map((error: { field: string }) => error.field), ['customer', 'lines.0.sku', 'lines.0.quantity', 'lines.0.unitPriceCents', 'lines.1.sku', 'lines.1.quantity', 'lines.1.unitPriceCents'])
  const cases: [string, string, unknown, number][] = [
    ['POST', '/v2/orders', [], 422], ['POST', '/v2/orders', { customer: 'x', lines: [] }, 422], ['PATCH', '/v2/orders/ord_1001', { status: 'gone' }, 422],
    ['GET', '/v2/orders?status=gone', undefined, 400], ['GET', '/v2/orders/1001', undefined, 404], ['GET', '/v1/orders/ord_1001', undefined, 404],
    ['GET', '/v3/orders', undefined, 404], ['GET', '/__proto__/orders', undefined, 404], ['GET', '/v2/orders/ord_1001/lines', undefined, 404], ['GET', '/', undefined, 404],
    ['PUT', '/v2/orders', {}, 405], ['POST', '/v2/orders/ord_1001', {}, 405]
  ]
  for (const [method, path, body, status] of cases) t.equal((await ask(method, path, body)).status, status, `${method} ${path}`)
  t.equal((await ask('PUT', '/v2/orders', {})).headers.get('allow'), 'GET, HEAD, POST')
})

test('orders: bodies that are no JSON, or too much of it, are refused and the API goes on', async (t) => {
  const api = await createOrdersApi()
  t.teardown(() => api.close())
  const post = async (headers: string, body: string): Promise<number | undefined> => {
    const { responses } = await sendRaw(api.port, `POST /v2/orders HTTP/1.1\r\nhost: x\r\n${headers}content-length: ${body.length}\r\n\r\n${body}`)
    return responses[0]?.status
  }
  t.equal(await post('content-type: application/json\r\n', '{'), 400)
  t.equal(await post('content-type: text/plain\r\n', '{}'), 415)
  t.equal(await post('', '{}'), 415)
  t.equal(await post('content-type: application/json\r\n', 'x'.repeat(70_000)), 413)
  t.equal((await sendRaw(api.port, 'GET // HTTP/1.1\r\nhost: x\r\n\r\n')).responses[0]?.status, 404)
})
