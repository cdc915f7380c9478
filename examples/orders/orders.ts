/** The orders themselves: in memory, numbered from 1001, with three to begin with. */

/** Where an order can go from a status. */
const NEXT = { new: ['paid', 'cancelled'], paid: ['shipped', 'cancelled'], shipped: [], cancelled: [] } as const

/** The status of an order. */
export type OrderStatus = keyof typeof NEXT

/** One line of an order. */
export interface OrderLine { sku: string, quantity: number, unitPriceCents: number }

/** An order. */
export interface Order {
  number: number
  customer: string
  lines: OrderLine[]
  status: OrderStatus
  createdAt: string
}

/** What is wrong with a value that a client sent. */
export interface FieldError { field: string, problem: string }

/** A shop's orders. */
export interface OrderBook {
  list (status: OrderStatus | null): Order[]
  find (number: number): Order | undefined
  create (customer: string, lines: OrderLine[]): Order
  /** False where the order can't go there from where it is. */
  advance (order: Order, status: OrderStatus): boolean
  remove (number: number): boolean
}

/** Makes an order book; `now` gives the time of new orders. */
export function createOrderBook (now: () => Date = () => new Date()): OrderBook {
  const orders = new Map<number, Order>()
  let last = 1000
  const book: OrderBook = {
    list: (status) => [...orders.values()].filter((order) => status === null || order.status === status),
    find: (number) => orders.get(number),
    create (customer, lines) {
      const order: Order = { number: ++last, customer, lines, status: 'new', createdAt: now().toISOString() }
      orders.set(order.number, order)
      return order
    },
    advance (order, status) {
      if (!(NEXT[order.status] as readonly OrderStatus[]).includes(status)) return false
      order.status = status
      return true
    },
    remove: (number) => orders.delete(number)
  }
  book.create('Ada', [{ sku: 'tea-green', quantity: 2, unitPriceCents: 390 }])
  book.advance(book.create('Grace', [{ sku: 'tea-black', quantity: 1, unitPriceCents: 350 }, { sku: 'pot', quantity: 1, unitPriceCents: 2400 }]), 'paid')
  book.create('Edsger', [{ sku: 'cup', quantity: 6, unitPriceCents: 450 }])
  return book
}

/** What an order costs. */
export function totalCents (order: Order): number {
  return order.lines.reduce((sum, line) => sum + line.quantity * line.unitPriceCents, 0)
}

/** Tells a status from another text. */
export function isStatus (value: unknown): value is OrderStatus {
  return typeof value === 'string' && Object.hasOwn(NEXT, value)
}

/** Reads a new order as version 2 takes it; everything that is wrong with it at once. */
export function readNewOrder (value: unknown): { customer: string, lines: OrderLine[] } | FieldError[] {
  const errors: FieldError[] = []
  const { customer, lines } = asRecord(value)
  if (typeof customer !== 'string' || customer.trim() === '' || customer.length > 100) errors.push({ field: 'customer', problem: 'must be a text of 1 to 100 characters' })
  if (!Array.isArray(lines) || lines.length === 0 || lines.length > 100) return [...errors, { field: 'lines', problem: 'must be a list of 1 to 100 lines' }]
  const read = lines.map((line: unknown, i): OrderLine => {
    const { sku, quantity, unitPriceCents } = asRecord(line)
    if (typeof sku !== 'string' || !/^[a-z0-9-]{1,40}$/.test(sku)) errors.push({ field: `lines.${i}.sku`, problem: 'must be 1 to 40 lower-case letters, digits and dashes' })
    if (!isWhole(quantity, 1, 1000)) errors.push({ field: `lines.${i}.quantity`, problem: 'must be a whole number from 1 to 1000' })
    if (!isWhole(unitPriceCents, 0, 100_000_000)) errors.push({ field: `lines.${i}.unitPriceCents`, problem: 'must be a whole number of cents' })
    return { sku: String(sku), quantity: Number(quantity), unitPriceCents: Number(unitPriceCents) }
  })
  return errors.length > 0 ? errors : { customer: String(customer), lines: read }
}

/** An object's members; none of anything else. */
export function asRecord (value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {}
}

function isWhole (value: unknown, least: number, most: number): boolean {
  return typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most
}
