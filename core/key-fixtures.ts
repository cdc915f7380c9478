import type { Consumer, Credential, Plan } from './context.js'
import type { Directory, KeyMatch, KeyRefusal } from './host.js'
import { compileCidrs } from './lib/cidr.js'

/** A key that a test's directory has. */
export interface TestKey {
  consumer: Consumer
  /** Default: an API key without limits that never expires. */
  credential?: Partial<Credential>
  plan?: Plan
  /** Why it may not be used. */
  refused?: KeyRefusal
  requireSignature?: boolean
  /** Networks (CIDR) from which alone it works; default: all. */
  allowedNetworks?: readonly string[]
}

/** What the directory of a test holds. */
export interface TestDirectory {
  /** By the whole key. */
  readonly keys: Readonly<Record<string, TestKey>>
}

/** Makes the directory port of what a test says is in it. Keys may be of any form. */
export function createTestDirectory ({ keys }: TestDirectory): Directory {
  return {
    lookUpKey (key): KeyMatch | null {
      const found = Object.hasOwn(keys, key) ? keys[key] : undefined
      if (found === undefined) return null
      return {
        consumer: found.consumer,
        credential: { id: 'credential', kind: 'api_key', limits: null, expiresAt: null, ...found.credential },
        plan: found.plan ?? null,
        refused: found.refused ?? null,
        requireSignature: found.requireSignature ?? false,
        isAllowedFrom: found.allowedNetworks === undefined ? () => true : compileCidrs(found.allowedNetworks)
      }
    }
  }
}
