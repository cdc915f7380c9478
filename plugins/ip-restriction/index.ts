import { Type } from 'typebox'
import type { Finding } from '../../core/errors.js'
import { compileCidrs, findCidrProblem } from '../../core/lib/cidr.js'
import { definePlugin } from '../../core/plugin.js'
import { refuse } from '../../core/reply.js'

const examples = [['10.0.0.0/8', '192.0.2.7', '2001:db8::/32']]

const config = Type.Object({
  allow: Type.Optional(Type.Array(Type.String(), {
    minItems: 1,
    description: 'Networks (CIDR) and addresses, IPv4 and IPv6, that may call. Left out: all that `deny` does not name.',
    examples
  })),
  deny: Type.Optional(Type.Array(Type.String(), {
    minItems: 1,
    description: 'Networks (CIDR) and addresses, IPv4 and IPv6, that may not call, even where `allow` names them.',
    examples
  }))
}, { additionalProperties: false })

const ANY_ADDRESS = ['0.0.0.0/0', '::/0']

/** Lets clients in by their address: `allow`, `deny`, and deny wins. */
export default definePlugin({
  name: 'ip-restriction',
  description: 'Lets clients in by their IP address: networks to allow, networks to deny, and deny wins.',
  stage: 'edge',
  config,
  check ({ allow, deny }) {
    const findings: Finding[] = []
    for (const [key, list] of [['allow', allow], ['deny', deny]] as const) {
      for (const [index, entry] of (list ?? []).entries()) {
        const problem = findCidrProblem(entry)
        if (problem !== null) findings.push({ path: [key, index], ...problem })
      }
    }
    if (allow === undefined && deny === undefined) findings.push({ path: [], message: 'neither allow nor deny is given', remedy: 'list networks under allow, under deny or under both' })
    return findings
  },
  create ({ allow, deny }) {
    // Without an allow list any address will do, but it has to be one: what can not be read is let in by no list.
    const isAllowed = compileCidrs(allow ?? ANY_ADDRESS)
    const isDenied = deny === undefined ? null : compileCidrs(deny)
    const refusal = refuse('AUTHORIZATION_ERROR', { message: 'Requests from this address are not allowed.', details: { reason: 'ip_denied' } })
    return {
      request ({ request: { clientAddress } }) {
        if (!isAllowed(clientAddress) || isDenied?.(clientAddress) === true) return refusal
      }
    }
  }
})
