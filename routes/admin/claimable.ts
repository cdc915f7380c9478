import { GatewayError } from '../../core/errors.js'
import { isCoveredBy, reachesInto, readDomainName } from '../../core/lib/domain-name.js'
import type { DomainPorts } from './state-ports.js'
import { invalidRequest } from './validation.js'

/** The name of a claim as it is kept. Throws GatewayError for what is no name that anybody can show to have. */
export function readClaim (text: string): string {
  const { name, problem } = readDomainName(text)
  if (name === null) throw invalidRequest([{ path: '/name', message: problem }])
  return name
}

/** Rejects with GatewayError for a name that is the gateway's own: at or below `baseDomain`, above it with a wildcard, or a host of a project that a file declares. */
export async function refuseReserved (name: string, { baseDomain, declaredHosts }: DomainPorts): Promise<void> {
  const base = baseDomain()
  const reserved = (message: string): GatewayError => new GatewayError('VALIDATION_ERROR', { message, details: { reason: 'domain_reserved' } })
  if (reachesInto(name, base)) throw reserved(`"${name}" belongs to the gateway, which serves projects below ${base}: claim a domain of your own.`)
  const hosts = await declaredHosts()
  if (hosts.some((host) => isCoveredBy(name, host))) throw reserved(`"${name}" is served by the gateway's own configuration: claim another domain.`)
}
