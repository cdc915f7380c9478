import type { StoreMetrics } from '../core/observe/store-metrics.js'
import type { FleetQuestion, FleetState, FromAdminThread, ToAdminThread } from './admin-thread-protocol.js'
import type { Declared, FleetView } from './fleet.js'

/** What a remote fleet is made of. */
export interface RemoteFleetOptions {
  readonly state: FleetState
  post (message: FromAdminThread): void
  /** What this thread counts of the store, beside what the serving one counts; null = there is none. */
  readonly store: StoreMetrics | null
  /** How often the serving thread is asked whether it lives. Default 1 s. */
  readonly pingMs?: number
  /** How long it may be silent before it counts as stuck. Default 10 s. */
  readonly stuckMs?: number
}

/** The serving thread as another thread of the process sees it. */
export interface RemoteFleet extends FleetView {
  /** Takes what the serving thread sends. */
  receive (message: ToAdminThread): void
  close (): void
}

interface Waiting { readonly resolve: (value: unknown) => void, readonly reject: (error: Error) => void }

/** Sees the serving thread over messages. It is asked again and again whether it lives: who asks this thread alone would not notice that nothing is served. */
export function createRemoteFleet ({ state, post, store, pingMs = 1_000, stuckMs = 10_000 }: RemoteFleetOptions): RemoteFleet {
  const waiting = new Map<number, Waiting>()
  let known = state
  let declared: Promise<Declared> | null = null
  let lastId = 0
  let heard = true
  let silentMs = 0
  let lookedAt = performance.now()

  const ask = (question: FleetQuestion): Promise<unknown> => new Promise((resolve, reject) => {
    const id = ++lastId
    waiting.set(id, { resolve, reject })
    post({ type: 'ask', id, question })
  })
  let pinging = false
  const ping = async (): Promise<void> => {
    if (pinging) return
    pinging = true
    await ask('ping')
    pinging = false
  }
  const watchdog = setInterval(() => {
    const now = performance.now()
    // Where this thread itself was held up, the other is not to blame for more than a round or two.
    const passedMs = Math.min(now - lookedAt, 2 * pingMs)
    lookedAt = now
    silentMs = heard ? 0 : silentMs + passedMs
    heard = false
    void ping()
  }, pingMs)
  watchdog.unref()
  const alive = (): boolean => silentMs <= stuckMs

  return {
    get listeners () { return known.listeners },
    root: () => known.root,
    async declared () {
      // It changes with the files alone, and then so does the state.
      const asked = declared ??= ask('declared') as Promise<Declared>
      try {
        return await asked
      } catch (error) {
        if (declared === asked) declared = null
        throw error
      }
    },
    alive,
    notReady: () => alive() ? known.notReady : ['the thread that serves does not answer'],
    reload: async () => await ask('reload') as Awaited<ReturnType<FleetView['reload']>>,
    describe: async () => await ask('describe') as string | null,
    declaredConfig: async (project, tried) => await ask({ project, tried }) as string | null,
    status: async () => await ask('status') as Awaited<ReturnType<FleetView['status']>>,
    whenServed: async (projectId) => { await ask({ served: projectId }) },
    metrics: async () => [...await ask('metrics') as Awaited<ReturnType<FleetView['metrics']>>, store?.collect() ?? []],
    receive (message) {
      heard = true
      if (message.type === 'state') {
        known = message.state
        declared = null
      } else if (message.type === 'answer' || message.type === 'refused') {
        const asked = waiting.get(message.id)
        waiting.delete(message.id)
        if (message.type === 'answer') asked?.resolve(message.value)
        else asked?.reject(new Error(message.message))
      }
    },
    close () { clearInterval(watchdog) }
  }
}
