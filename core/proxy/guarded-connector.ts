import type { LookupAddress, LookupOptions } from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'
import type { buildConnector } from 'undici'
import type { Egress } from '../lib/egress.js'

/** A name lookup as `dns.lookup` does it with `all`. */
export type LookupAll = (hostname: string, options: LookupOptions & { all: true }, callback: (error: NodeJS.ErrnoException | null, addresses: LookupAddress[]) => void) => void

/** A connection leads where tenants may not go. Its message names the address: for the log, never for a client. */
class EgressError extends Error {
  readonly code = 'EGRESS_REFUSED'

  constructor (hostname: string, address: string) {
    super(hostname === address ? `${address} is not a public address and not in egress.allow` : `${hostname} leads to ${address}, which is not a public address and not in egress.allow`)
    this.name = 'EgressError'
  }
}

/** Holds connections to where an `Egress` allows them. */
export interface EgressGuard {
  readonly egress: Egress
  /** Why a host may not be connected to; null for a name, which `lookup` decides about. Takes IPv6 addresses in brackets too. */
  refusal (hostname: string): EgressError | null
  /**
   * Resolves a name for `net.connect`, which connects to what it is given here and asks nobody again: no later answer of a name server
   * counts. One forbidden address among several refuses the name, because which one is tried is not ours to say.
   */
  readonly lookup: LookupFunction
}

/** Makes a guard. `lookup` is where names are resolved. */
export function createEgressGuard (egress: Egress, lookup: LookupAll): EgressGuard {
  return {
    egress,
    refusal (hostname) {
      const host = hostname.replace(/^\[|\]$/g, '')
      return isIP(host) !== 0 && !egress.allows(host) ? new EgressError(host, host) : null
    },
    lookup (hostname, options, callback) {
      lookup(hostname, { ...options, all: true }, (error, addresses) => {
        if (error !== null) { callback(error, '', 0); return }
        const [first] = addresses
        if (first === undefined) { callback(Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' }), '', 0); return }
        const forbidden = addresses.find(({ address }) => !egress.allows(address))
        if (forbidden !== undefined) callback(new EgressError(hostname, forbidden.address), '', 0)
        else if (options.all === true) callback(null, addresses)
        else callback(null, first.address, first.family)
      })
    }
  }
}

/** Wraps a connector that resolves names by the guard's `lookup`: addresses are checked before, and whom the socket reached once more after. */
export function guardConnector (connect: buildConnector.connector, guard: EgressGuard): buildConnector.connector {
  return (target, callback) => {
    const refusal = guard.refusal(target.hostname)
    if (refusal !== null) { callback(refusal, null); return }
    connect(target, (...result) => {
      const [error, socket] = result
      if (error === null && !guard.egress.allows(socket.remoteAddress ?? '')) {
        socket.destroy()
        callback(new EgressError(target.hostname, socket.remoteAddress ?? 'a connection that is gone'), null)
      } else callback(...result)
    })
  }
}
