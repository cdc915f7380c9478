import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { callAdmin } from './client.js'
import type { Connection } from './connection.js'

/** One thing to do, as the admin API takes it. */
export interface BulkItem {
  readonly action: string
  readonly id?: string
  readonly if_match?: string
  readonly body?: Readonly<Record<string, unknown>>
}

/** What came of it. */
export interface BulkResult {
  readonly action: string
  readonly id: string | null
  readonly status: number
  readonly body: Readonly<Record<string, unknown>> | null
  readonly error: { readonly code: string, readonly message: string } | null
}

// Small enough that an interrupted import is not far from where it shows.
const PER_REQUEST = 100
const MOST_REPEATS = 3
const PAUSE_MS = 1_000

/**
 * Sends many things to do in several requests, and tells what came of each piece as it comes. A piece of which something was left undone, because the
 * time or the store went, is repeated under its key, so that nothing is done twice.
 */
export async function * sendBulk (connection: Connection, path: string, items: readonly BulkItem[]): AsyncGenerator<{ readonly first: number, readonly results: readonly BulkResult[] }> {
  for (let first = 0; first < items.length; first += PER_REQUEST) {
    const idempotencyKey = randomUUID()
    const body = { items: items.slice(first, first + PER_REQUEST) }
    const shown = new Map<number, BulkResult>()
    for (let repeats = 0; ; repeats++) {
      const answer = await callAdmin(connection, { method: 'POST', path, body, idempotencyKey })
      const { data } = answer.body as { data: readonly BulkResult[] }
      // A repetition leaves out what was shown once.
      for (const [index, result] of data.entries()) if ((shown.get(index)?.status ?? 500) >= 500) shown.set(index, result)
      if (repeats === MOST_REPEATS || data.every(({ status }) => status < 500)) break
      await sleep(PAUSE_MS)
    }
    yield { first, results: [...shown.values()] }
  }
}
