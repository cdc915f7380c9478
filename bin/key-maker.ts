import { randomInt } from 'node:crypto'
import { createAdminToken, createApiKey, createHmacSecret, parseAdminToken, type NewSecret } from '../core/state/api-key.js'
import type { KeyRing } from '../core/state/key-ring.js'
import type { KeyMaker, NewKey } from '../routes/admin/state-ports.js'

/** Makes what the admin API hands out and compares what it is shown, with the peppers and keys of a ring. */
export function createKeyMaker (ring: KeyRing): KeyMaker {
  const digested = ({ text, prefix }: NewSecret): NewKey => {
    const { digest, pepper_id: pepperId } = ring.digest(text)
    return { text, prefix, digest, pepperId }
  }
  return {
    createApiKey: () => digested(createApiKey()),
    createAdminToken: () => digested(createAdminToken()),
    tokenPrefix: (text) => parseAdminToken(text)?.prefix ?? null,
    matches: (text, digest, pepperId) => ring.verify(text, { digest, pepper_id: pepperId }),
    digest (text) {
      const { digest, pepper_id: pepperId } = ring.digest(text)
      return { digest, pepperId }
    },
    sealSecretValue: (customerId, value) => ring.seal(customerId, { collection: 'secrets', field: 'value' }, value),
    createSecret (customerId) {
      const text = createHmacSecret()
      return { text, sealed: ring.seal(customerId, { collection: 'credentials', field: 'secret' }, text) }
    }
  }
}

const CHARACTERS = '0123456789abcdefghijklmnopqrstuvwxyz'

/** Random characters for ids: a little more than 5 bits each. */
export function randomId (length: number): string {
  return Array.from({ length }, () => CHARACTERS[randomInt(CHARACTERS.length)]).join('')
}
