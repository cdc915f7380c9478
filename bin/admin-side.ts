import { createTxtLookup } from '../core/lib/txt-lookup.js'
import type { GatewayLogger } from '../core/observe/logger.js'
import type { GatewayConfig } from '../core/route.js'
import { watchDomains } from './domain-watch.js'
import type { FleetView } from './fleet.js'
import { openStore, type NodeStore, type OpenStoreOptions } from './open-store.js'

/** What the admin API and its store are opened with. */
export interface AdminSideOptions extends Pick<OpenStoreOptions, 'state' | 'keys' | 'ring'> {
  /** Where the admin port listens, and the operator's token; null = there is none. */
  readonly admin: { readonly host: string, readonly port: number, readonly token: string } | null
  /** The servers that domains are looked up at. */
  readonly resolvers: GatewayConfig['domains']['resolvers']
  /** Base address of the error documentation. */
  readonly docs: string | null
  readonly version: string
  readonly config: { readonly file: string, readonly environment: string | null }
}

/** What a gateway has beside what serves: the store, who watches over its domains, and the admin port. Whoever opens it closes it. */
export interface AdminSide {
  /** The store for this thread; null = there is none. */
  readonly store: NodeStore | null
  /** Opens the admin port over what serves; resolves to its address, null = there is no such port. Rejects with Error where it can not be opened. */
  listen (fleet: FleetView): Promise<string | null>
  /** Has to be told when the settings that serve, or whether it is ready, are others than before. */
  changed (): void
  close (): Promise<void>
}

/** Opens it in this thread. Rejects as `openStore` does. */
export async function openAdminSide (options: AdminSideOptions, log: GatewayLogger): Promise<AdminSide> {
  const { admin, resolvers, docs, version, config } = options
  const store = await openStore({ ...options, log })
  const domains = store === null ? null : watchDomains({ open: store.open, lookUp: createTxtLookup({ servers: resolvers }), log })
  let port: { url: string, close (): Promise<void> } | null = null
  return {
    store,
    async listen (fleet) {
      if (admin === null) return null
      port = await (await import('./admin-port.js')).openAdminPort(fleet, { ...admin, store, domains, log, docs, version, config })
      return port.url
    },
    changed () {},
    async close () {
      await Promise.all([port?.close(), domains?.stop()])
      await store?.open.close().catch(() => {})
    }
  }
}
