import { Type } from 'typebox'
import type { Finding } from '../../core/errors.js'
import type { KeyRefusal } from '../../core/host.js'
import { whyReserved } from '../../core/lib/reserved-fields.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse, type Refusal } from '../../core/reply.js'
import { percentEncoded } from './identity.js'

const IDENTITY_HEADERS = ['x-consumer-id', 'x-consumer-name', 'x-consumer-plan', 'x-credential-id'] as const

const config = Type.Object({
  header: Type.String({
    default: 'x-api-key',
    // The gateway drops request fields with an underscore in their names.
    pattern: "^[A-Za-z0-9!#$%&'*+.^`|~-]{1,64}$",
    description: 'Header that carries the key. It is taken away before the request goes upstream.',
    examples: ['x-api-key', 'apikey']
  })
}, { additionalProperties: false })

/** Lets in who shows a valid API key of the project, and tells the upstream who that is. */
export default definePlugin({
  name: 'api-key',
  description: 'Lets in who shows a valid API key of the project in a header, and tells the upstream who that is.',
  stage: 'authenticate',
  provides: ['consumer', 'credential', 'plan'],
  identityHeaders: IDENTITY_HEADERS,
  config,
  check ({ header }) {
    const findings: Finding[] = []
    const name = header.toLowerCase()
    const why = name === 'host'
      ? 'it names the project'
      : (IDENTITY_HEADERS as readonly string[]).includes(name) ? 'it tells the upstream who calls, and is taken from clients' : whyReserved(name)
    if (why !== null) findings.push({ path: ['header'], message: `"${name}" can not carry a key: ${why}`, remedy: 'choose another name, such as x-api-key' })
    return findings
  },
  create ({ header }, host) {
    const name = header.toLowerCase()
    const refusals = createRefusals(host.project ?? 'api')
    const { directory } = host
    return {
      request (ctx) {
        const { headers, clientAddress } = ctx.request
        const key = headers.get(name)
        if (key === undefined) return refusals.missing
        if (headers.getAll(name).length > 1) return refusals.repeated
        if (directory === null) return refusals.noDirectory
        const match = directory.lookUpKey(key)
        if (match === null) return refusals.invalid
        const { consumer, credential, plan } = match
        // From here on it is known who calls, refused or not: the access log may say so.
        ctx.set('consumer', consumer)
        if (match.refused !== null) return refusals[match.refused]
        if (!match.isAllowedFrom(clientAddress)) return refusals.network
        if (match.requireSignature) return refusals.signature
        ctx.set('credential', credential)
        ctx.set('plan', plan)
        const forwarded = ctx.forward.headers
        forwarded.delete(name)
        forwarded.set('x-consumer-id', percentEncoded(consumer.id))
        forwarded.set('x-credential-id', percentEncoded(credential.id))
        if (consumer.name !== undefined) forwarded.set('x-consumer-name', percentEncoded(consumer.name))
        if (plan !== null) forwarded.set('x-consumer-plan', percentEncoded(plan.name))
      }
    }
  }
})

type Refusals = Readonly<Record<KeyRefusal | 'missing' | 'repeated' | 'invalid' | 'noDirectory' | 'network' | 'signature', Refusal>>

function createRefusals (realm: string): Refusals {
  // RFC 9110 sections 11.6.1 and 15.5.2: a 401 names the scheme. There is no registered one for keys in a header of their own.
  const challenge = ['www-authenticate', `ApiKey realm="${realm.replace(/[^\x20-\x7e]|["\\]/g, '-')}"`]
  const unauthenticated = (reason: string, message: string): Refusal => refuse('AUTHENTICATION_ERROR', { message, details: { reason }, headers: challenge })
  const forbidden = (reason: string, message: string): Refusal => refuse('AUTHORIZATION_ERROR', { message, details: { reason } })
  return {
    missing: unauthenticated('api_key_missing', 'An API key is needed.'),
    invalid: unauthenticated('api_key_invalid', 'The API key is not valid.'),
    repeated: refuse('VALIDATION_ERROR', { message: 'There is more than one API key.', details: { reason: 'api_key_repeated' } }),
    revoked: unauthenticated('api_key_revoked', 'The API key was revoked.'),
    expired: unauthenticated('api_key_expired', 'The API key has expired.'),
    signature: unauthenticated('signature_required', 'Requests with this API key have to be signed.'),
    account_suspended: forbidden('account_suspended', 'The account is suspended.'),
    consumer_inactive: forbidden('consumer_inactive', 'The consumer is not active.'),
    network: forbidden('network_denied', 'The API key does not work from this address.'),
    noDirectory: refuse('SERVICE_UNAVAILABLE', { message: 'API keys can not be checked now.', details: { reason: 'no_directory' } })
  }
}
