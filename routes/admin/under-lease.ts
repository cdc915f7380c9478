import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import type { GatewayError } from '../../core/errors.js'
import type { SystemStore } from '../../core/state/store.js'

// Longer than what is done under it can take; after a crash the others wait no longer.
const LEASE_MS = 10_000
const PATIENCE_MS = 3_000
const AGAIN_MS = 25

/** Does something as the only one on all nodes of a store who has this lease, and gives what comes of it. Rejects with `refusal` where others do not come to an end. */
export async function underLease<T> (system: SystemStore, lease: string, refusal: () => GatewayError, act: () => Promise<T>): Promise<T> {
  const holder = randomUUID()
  for (const until = performance.now() + PATIENCE_MS; await system.takeLease(lease, holder, LEASE_MS) === null;) {
    if (performance.now() > until) throw refusal()
    await sleep(AGAIN_MS)
  }
  try {
    return await act()
  } finally {
    // What was done is done, also where nobody can be told: the lease ends by itself.
    await system.releaseLease(lease, holder).catch(() => {})
  }
}
