import { asRecord, isStatus, readNewOrder, totalCents, type FieldError, type Order, type OrderLine } from './orders.js'

/** How a version of the API reads and writes what is the same order underneath. */
export interface ApiVersion {
  order (order: Order): unknown
  list (orders: Order[]): unknown
  error (status: number, message: string, errors: FieldError[]): unknown
  readNew (body: unknown): { customer: string, lines: OrderLine[] } | FieldError[]
  idOf (text: string): number | null
}

/** The first version: one item per order, amounts in euros, bare lists, errors as a text. */
const v1: ApiVersion = {
  order: (order) => ({
    id: order.number,
    customer: order.customer,
    item: order.lines.map((line) => line.sku).join(','),
    qty: order.lines.reduce((sum, line) => sum + line.quantity, 0),
    total: totalCents(order) / 100,
    status: order.status
  }),
  list: (orders) => orders.map((order) => v1.order(order)),
  error: (_status, message, errors) => ({ error: [message, ...errors.map(({ field, problem }) => `${field} ${problem}`)].join('; ') }),
  readNew (body) {
    const { customer, item, qty, price } = asRecord(body)
    const read = readNewOrder({ customer, lines: [{ sku: item, quantity: qty, unitPriceCents: typeof price === 'number' ? Math.round(price * 100) : price }] })
    const names: Record<string, string> = { 'lines.0.sku': 'item', 'lines.0.quantity': 'qty', 'lines.0.unitPriceCents': 'price' }
    return Array.isArray(read) ? read.map(({ field, problem }) => ({ field: names[field] ?? field, problem: field.endsWith('Cents') ? 'must be an amount in euros' : problem })) : read
  },
  idOf: (text) => /^\d{1,9}$/.test(text) ? Number(text) : null
}

/** The second version: lines, cents, lists that can grow members, errors by field. */
const v2: ApiVersion = {
  order: (order) => ({
    id: `ord_${order.number}`,
    customer: order.customer,
    lines: order.lines,
    totalCents: totalCents(order),
    status: order.status,
    createdAt: order.createdAt
  }),
  list: (orders) => ({ data: orders.map((order) => v2.order(order)), count: orders.length }),
  error: (status, message, errors) => ({ status, message, ...(errors.length > 0 ? { errors } : {}) }),
  readNew: readNewOrder,
  idOf: (text) => /^ord_\d{1,9}$/.test(text) ? Number(text.slice(4)) : null
}

/** The versions by the first segment of the path. */
export const VERSIONS: ReadonlyMap<string, ApiVersion> = new Map([['v1', v1], ['v2', v2]])

/** The version that errors outside of any are told in. */
export const LATEST: ApiVersion = v2

/** Reads `{ "status": ... }`, which both versions take. */
export function readStatus (body: unknown): Order['status'] | FieldError[] {
  const { status } = asRecord(body)
  return isStatus(status) ? status : [{ field: 'status', problem: 'must be new, paid, shipped or cancelled' }]
}
