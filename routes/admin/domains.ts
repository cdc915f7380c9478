import { Type } from 'typebox'
import { GatewayError } from '../../core/errors.js'
import { challengeNameOf } from '../../core/lib/domain-name.js'
import type { Domain } from '../../core/state/records.js'
import { readClaim, refuseReserved } from './claimable.js'
import { checkPreconditions } from './entity-tag.js'
import { limitLookUps } from './look-up-limit.js'
import { defineOperation, type AnyCall, type Operation, type Result } from './operation.js'
import { CUSTOMER_ID, listOf, NO_FIELDS, newId, resourceOperations, STAMPS, TIME_OR_NULL, type Resource } from './resource.js'
import type { StatePorts } from './state-ports.js'

const NAME = Type.String({ minLength: 1, maxLength: 253, description: 'A domain, or `*.` and one for every name below it.' })
const STATUSES = ['pending', 'verified', 'unverified'] as const
const RECORD = { name: Type.String(), value: Type.String() }

const SHOWN_DOMAIN = Type.Object({
  domain_id: Type.String(), customer_id: Type.String(), project_id: Type.String(), name: Type.String(), status: Type.Enum([...STATUSES]),
  challenge: Type.Union([Type.Object({ type: Type.Literal('TXT'), ...RECORD }, { additionalProperties: false, description: 'The record that proves the claim; it has to stay.' }), Type.Null()]),
  address: Type.Union([Type.Object({ type: Type.Literal('CNAME'), ...RECORD, note: Type.String() }, { additionalProperties: false, description: 'The record that leads requests here, once the domain is verified.' }), Type.Null()]),
  verified_at: TIME_OR_NULL, checked_at: TIME_OR_NULL, failing_since: TIME_OR_NULL, ...STAMPS
}, { additionalProperties: false })

const DOMAINS: Resource<'domains'> = {
  collection: 'domains', path: '/admin/domains', name: 'domains', noun: 'a domain', idField: 'domain_id', idPrefix: 'dom',
  shown: SHOWN_DOMAIN,
  writable: {}, needed: [], defaults: {},
  list: { filters: { customer_id: 'text', project_id: 'text', name: 'text', status: STATUSES }, sorts: ['domain_id', 'created_at', 'updated_at', 'name', 'status', 'checked_at'], search: ['name'] },
  permissions: { read: 'domains:read', create: 'domains:write', update: 'domains:write', remove: 'domains:write' }
}

// Every worker has them in memory.
const MOST_OF_PROJECT = 1_000

const { list, remove } = resourceOperations(DOMAINS)
const one = `${DOMAINS.path}/:id`

/** `/admin/domains`. */
export const DOMAIN_OPERATIONS: readonly Operation[] = [
  { ...list, run: (call) => listOf(call, DOMAINS, {}, (domain) => shownDomain(call.state, domain)) },
  defineOperation({
    id: 'domains.create', method: 'POST', url: DOMAINS.path, summary: 'Claims a domain for a project; nobody is blocked by it', permission: 'domains:write', answer: SHOWN_DOMAIN, status: 201, errors: ['CONFLICT'],
    body: Type.Object({ name: NAME, project_id: Type.String({ minLength: 1, maxLength: 100 }), customer_id: Type.Optional(CUSTOMER_ID) }, { additionalProperties: false }),
    async run (call) {
      const { name: asked, project_id: projectId, customer_id: account } = call.body
      const { state: { open: { store }, domains }, state } = call
      const customerId = await call.reach.accountOf(projectId, account)
      const name = readClaim(asked)
      await refuseReserved(name, domains)
      const ofProject = { project_id: { eq: projectId } }
      const id = newId(state, DOMAINS.idPrefix)
      // One that an attempt before made is this one.
      const alike = await store.domains.list(customerId, { filter: { ...ofProject, name: { eq: name } }, limit: 2 })
      if (alike.some(({ domain_id: other }) => other !== id)) throw new GatewayError('CONFLICT', { message: 'The project has claimed this domain already.', details: { field: 'name', reason: 'already_exists' } })
      if (await store.domains.count(customerId, ofProject) >= MOST_OF_PROJECT) throw new GatewayError('CONFLICT', { message: `A project may have ${MOST_OF_PROJECT} domains: remove one first.`, details: { reason: 'too_many_domains' } })
      const fresh = {
        domain_id: id, project_id: projectId, name, status: 'pending' as const, challenge: domains.createChallenge(), verified_at: null, checked_at: null, failing_since: null
      }
      const made = await call.change({ customerId, targetId: fresh.domain_id, before: null, after: fresh }, () => store.domains.insert(customerId, fresh))
      return { ...shown(state, made), status: 201, location: `${DOMAINS.path}/${made.domain_id}` }
    }
  }),
  defineOperation({
    id: 'domains.get', method: 'GET', url: one, summary: 'Shows a domain, with the DNS records to set', permission: 'domains:read', answer: SHOWN_DOMAIN, status: 200, errors: ['NOT_FOUND'], tagged: true,
    run: async ({ reach, params, state }) => shown(state, await reach.get('domains', params.id ?? ''))
  }),
  { ...remove, summary: 'Removes a domain: it is not served any more, and its challenge is void' },
  defineOperation({
    id: 'domains.verify', method: 'POST', url: `${one}/verify`, summary: 'Looks for the TXT record of a domain now, and serves it where that is found', permission: 'domains:write', body: NO_FIELDS, answer: SHOWN_DOMAIN, status: 200,
    errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
    async run (call) {
      const { reach, params, state, change } = call
      const before = await reach.get('domains', params.id ?? '')
      checkPreconditions(call, before.rev)
      // A file may have declared the name since it was claimed.
      await refuseReserved(before.name, state.domains)
      const { outcome, next } = await limitLookUps(state.domains, before.customer_id, () => state.domains.look(before))
      const planned = { customerId: before.customer_id, targetId: before.domain_id, before, after: next }
      return shown(state, await change(planned, async () => {
        if (outcome === 'proven') return await verify(call, next)
        await state.open.store.domains.replace(before.customer_id, next)
        throw unproven(before, outcome)
      }))
    }
  })
]

/** Keeps a domain as verified, which the store lets one record of each name be. Who has it is looked up again first: the domain may be somebody else's by now. */
async function verify ({ state: { open, domains } }: AnyCall, next: Domain): Promise<Domain> {
  for (let freed = false; ; freed = true) {
    try {
      return await open.store.domains.replace(next.customer_id, next)
    } catch (error) {
      if (!(error instanceof Error) || error.name !== 'DuplicateError') throw error
      const [holder] = freed ? [] : await open.system.list('domains', { filter: { name: { eq: next.name }, status: { eq: 'verified' } }, limit: 1 })
      if (freed || (holder !== undefined && (await domains.check(holder))?.status === 'verified')) throw verifiedElsewhere()
    }
  }
}

function verifiedElsewhere (): GatewayError {
  return new GatewayError('CONFLICT', {
    message: 'The record is there, but the domain is verified for another project: remove it there. Where that is not yours, take its TXT record out of the DNS; 72 h later it is free.',
    details: { reason: 'verified_elsewhere' }
  })
}

/** What was found in its place is not told: an alias may lead to names that are not public. */
function unproven (domain: Domain, outcome: 'missing' | 'unanswered'): GatewayError {
  const record = challengeOf(domain)
  return outcome === 'missing'
    ? new GatewayError('CONFLICT', { message: 'The TXT record is not there: set it, and try again when the DNS has it.', details: { reason: 'challenge_not_found', record } })
    : new GatewayError('CONFLICT', { message: 'The DNS servers of the domain gave no answer: try again.', details: { reason: 'dns_unanswered', record } })
}

function challengeOf ({ name, challenge }: Domain): { type: 'TXT', name: string, value: string } | null {
  return challenge === null ? null : { type: 'TXT', name: challengeNameOf(name), value: challenge }
}

function shownDomain ({ domains }: StatePorts, domain: Domain): Record<string, unknown> {
  const { domain_id: id, customer_id: account, project_id: project, name, status, verified_at: verified, checked_at: checked, failing_since: failing, created_at: created, updated_at: updated } = domain
  const value = `${project.toLowerCase()}.${domains.baseDomain()}`
  const address = { type: 'CNAME', name, value, note: `At the top of a zone no CNAME can stand: set an ALIAS there, or A and AAAA records with the addresses of ${value}.` }
  return {
    domain_id: id, customer_id: account, project_id: project, name, status, challenge: challengeOf(domain), address: status === 'verified' ? address : null,
    verified_at: verified, checked_at: checked, failing_since: failing, created_at: created, updated_at: updated
  }
}

function shown (state: StatePorts, domain: Domain): Result {
  return { status: 200, body: shownDomain(state, domain), rev: domain.rev }
}
