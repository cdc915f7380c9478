import { Type } from 'typebox'
import { checkPreconditions } from './entity-tag.js'
import { defineOperation, type Call, type Operation, type Result } from './operation.js'
import { keepAnOwner, refuseHigherMembers } from './owners.js'
import { notFound } from './reach.js'
import { listAnswerSchema, listQuerySchema } from './listing.js'
import { listOf, NAME, newId, resourceOperations, showRecord, STAMPS, type Resource } from './resource.js'
import { refuseAbove } from './roles.js'
import { invalidRequest } from './validation.js'

const ID = Type.String({ minLength: 1, maxLength: 100 })
const TEXT = Type.Union([Type.String({ maxLength: 2000 }), Type.Null()])

/** What is shown of a membership. */
export const SHOWN_MEMBERSHIP = Type.Object({
  membership_id: Type.String(), customer_id: Type.String(), user_id: Type.String(), team_id: Type.Union([Type.String(), Type.Null()]), scope: Type.Enum(['account', 'project', 'consumer']), scope_id: Type.String(),
  role: Type.Enum(['operator', 'owner', 'admin', 'developer', 'auditor']), ...STAMPS
}, { additionalProperties: false })

const TEAMS: Resource<'teams'> = {
  collection: 'teams', path: '/admin/teams', name: 'teams', noun: 'a team', idField: 'team_id', idPrefix: 'tea',
  shown: Type.Object({ team_id: Type.String(), customer_id: Type.String(), name: Type.String(), description: TEXT, ...STAMPS }, { additionalProperties: false }),
  writable: { name: NAME, description: TEXT },
  needed: ['name'],
  defaults: { description: null },
  list: { filters: { customer_id: 'text', name: 'text' }, sorts: ['team_id', 'created_at', 'updated_at', 'name'], search: ['name'] },
  permissions: { read: 'teams:read', create: 'teams:write', update: 'teams:write', remove: 'teams:write' },
  async beforeRemove ({ state: { open: { store } } }, { customer_id: customerId, team_id: id }) {
    await store.memberships.removeAll(customerId, { team_id: { eq: id } })
  }
}

const MEMBERS = {
  collection: 'memberships' as const, idField: 'membership_id' as const, shown: SHOWN_MEMBERSHIP,
  list: { filters: { user_id: 'text', scope: ['account', 'project', 'consumer'], scope_id: 'text', role: ['owner', 'admin', 'developer', 'auditor'] }, sorts: ['membership_id', 'created_at', 'user_id', 'role'] } as const
}
const MEMBERS_PATH = `${TEAMS.path}/:id/members`

const operations = resourceOperations(TEAMS)

async function removeTeam (call: Call): Promise<Result> {
  const { team_id: team, customer_id: customerId } = await call.reach.get('teams', call.params.id ?? '')
  await refuseHigherMembers(call, customerId, { team_id: { eq: team } })
  return await keepAnOwner(call, customerId, ({ team_id: of }) => of === team, () => operations.remove.run(call))
}

/** `/admin/teams` and their members. */
export const TEAM_OPERATIONS: readonly Operation[] = [
  ...Object.values({ ...operations, remove: { ...operations.remove, run: removeTeam } }),
  defineOperation({
    id: 'teams.members.list', method: 'GET', url: MEMBERS_PATH, summary: 'Lists the members of a team', permission: 'teams:read', query: listQuerySchema(MEMBERS.list), answer: listAnswerSchema(SHOWN_MEMBERSHIP), status: 200, errors: ['NOT_FOUND'],
    async run (call) {
      const { team_id: team, customer_id: customerId } = await call.reach.get('teams', call.params.id ?? '')
      return await listOf({ ...call, query: call.query as Record<string, unknown>, body: {} }, MEMBERS, { team_id: { eq: team }, customer_id: { eq: customerId } })
    }
  }),
  defineOperation({
    id: 'teams.members.add', method: 'POST', url: MEMBERS_PATH, summary: 'Gives a user a role by a team', permission: 'teams:write', answer: SHOWN_MEMBERSHIP, status: 201, errors: ['NOT_FOUND', 'CONFLICT'],
    body: Type.Object({
      user_id: ID, role: Type.Enum(['owner', 'admin', 'developer', 'auditor']), scope: Type.Optional(Type.Enum(['account', 'project', 'consumer'], { default: 'account' })), scope_id: Type.Optional(ID)
    }, { additionalProperties: false }),
    async run (call) {
      const { team_id: team, customer_id: customerId } = await call.reach.get('teams', call.params.id ?? '')
      const { user_id: user, role, scope = 'account', scope_id: scopeId } = call.body
      refuseAbove(call.principal, role)
      await call.reach.refer('users', customerId, user, '/user_id')
      if (scope === 'account') {
        if (scopeId !== undefined && scopeId !== customerId) throw invalidRequest([{ path: '/scope_id', message: 'has to be the account, or left out' }])
      } else await call.reach.refer(scope === 'project' ? 'projects' : 'consumers', customerId, scopeId ?? '', '/scope_id')
      const fresh = { membership_id: newId(call.state, 'mbr'), user_id: user, team_id: team, scope, scope_id: scopeId ?? customerId, role }
      const made = await call.change({ customerId, targetId: fresh.membership_id, before: null, after: fresh }, call.state.open.store.memberships.planInsert(customerId, fresh))
      return { status: 201, body: showRecord(SHOWN_MEMBERSHIP, made), rev: made.rev, location: `${TEAMS.path}/${team}/members/${made.membership_id}` }
    }
  }),
  defineOperation({
    id: 'teams.members.remove', method: 'DELETE', url: `${MEMBERS_PATH}/:member`, summary: 'Takes a role of a team away', permission: 'teams:write', answer: null, status: 204, errors: ['NOT_FOUND', 'CONFLICT', 'PRECONDITION_FAILED'],
    async run (call) {
      const { team_id: team, customer_id: customerId } = await call.reach.get('teams', call.params.id ?? '')
      const member = await call.reach.get('memberships', call.params.member ?? '')
      if (member.team_id !== team || member.customer_id !== customerId) throw notFound('memberships')
      checkPreconditions(call, member.rev)
      refuseAbove(call.principal, member.role)
      await keepAnOwner(call, customerId, ({ membership_id: id }) => id === member.membership_id, () =>
        call.change({ customerId, targetId: member.membership_id, before: member, after: null }, () => call.state.open.store.memberships.remove(customerId, member.membership_id)))
      return { status: 204, body: null }
    }
  })
]
