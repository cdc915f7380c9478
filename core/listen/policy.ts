import { compileCidrs } from '../lib/cidr.js'
import { type FieldTable, createRequestFieldTable } from '../lib/header-names.js'
import type { ListenConfig } from '../route.js'

/** What the listener decides by, compiled; a reload replaces it whole. */
export interface ListenPolicy {
  readonly fields: FieldTable
  readonly isTrusted: (address: string) => boolean
  readonly keepRepeatedSlashes: boolean
  readonly limits: ListenConfig['limits']
}

/** Compiles the listener's part of a configuration. `identityHeaders`: of every plugin of the gateway. */
export function compilePolicy (listen: ListenConfig, identityHeaders: Iterable<string>, requestIdHeader: string | null): ListenPolicy {
  return {
    fields: createRequestFieldTable(identityHeaders, requestIdHeader),
    isTrusted: listen.trustedProxies.length === 0 ? () => false : compileCidrs(listen.trustedProxies),
    keepRepeatedSlashes: listen.keepRepeatedSlashes,
    limits: listen.limits
  }
}
