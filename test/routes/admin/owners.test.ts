import { test, type Test } from 'tap'
import type { Role } from '../../../core/state/records.js'
import { mayGive } from '../../../routes/admin/roles.js'
import { openAdminApi, type AdminApiFixture, type AdminAnswer } from '../../fixtures/admin-api.js'
import { codesIn, readDocument, tablesUnder } from '../../fixtures/documents.js'

const ROLES: readonly Role[] = ['operator', 'owner', 'admin', 'developer', 'auditor']

interface People extends AdminApiFixture {
  /** Makes an active person with a role in the account `acme` by a team of its own. */
  person (role: Exclude<Role, 'operator'> | null): Promise<{ user: string, team: string, member: string }>
}

async function people (t: Test): Promise<People> {
  const api = await openAdminApi(t)
  await api.account('acme')
  let count = 0
  const make = async (path: string, body: object, field: string): Promise<string> => {
    const { status, text, body: made } = await api.ask('POST', path, { body })
    if (status !== 201) throw new Error(text)
    return String(made[field])
  }
  return {
    ...api,
    async person (role) {
      count++
      const user = await make('/admin/users', { email: `u${count}@example.com`, customer_id: 'acme' }, 'user_id')
      const team = await make('/admin/teams', { name: `team ${count}`, customer_id: 'acme' }, 'team_id')
      const member = role === null ? '' : await make(`/admin/teams/${team}/members`, { user_id: user, role }, 'membership_id')
      return { user, team, member: `/admin/teams/${team}/members/${member}` }
    }
  }
}

const reasonOf = ({ status, body }: AdminAnswer): string => status < 300 ? 'ok' : String(body.error.details['reason'])

/** Everything that can be done to a person and to what gives it a role; what removes comes last. */
function changes ({ user, team, member }: { user: string, team: string, member: string }): readonly (readonly [string, string, object?])[] {
  return [
    ['PATCH', `/admin/users/${user}`, { email: `${user}@elsewhere.example` }], ['PUT', `/admin/users/${user}`, { email: `${user}@evil.example` }], ['PUT', `/admin/users/${user}/tier`, { tier: 'gold' }],
    ['POST', `/admin/users/${user}/deactivate`], ['POST', `/admin/users/${user}/activate`], ['DELETE', member], ['DELETE', `/admin/teams/${team}`], ['DELETE', `/admin/users/${user}`]
  ]
}

test('owners: who may change whom is what the document says, cell by cell', async (t) => {
  const { ask, person, token } = await people(t)
  const [table = []] = tablesUnder(readDocument('docs/roles.md'), 'Whom one may change')
  const documented = new Map(table.map(([name = '', ...cells]) => [codesIn(name)[0] as Role, new Set(ROLES.filter((_, index) => cells[index] === 'yes'))]))
  t.same([...documented.keys()], ROLES)
  for (const asker of ROLES) {
    for (const role of ROLES) {
      const may = documented.get(asker)?.has(role) === true
      if (['operator', 'owner', 'admin'].includes(asker)) t.equal(mayGive({ actor: 'x', role: asker, customerId: null, projectId: null }, role), may, `${asker} gives ${role}`)
    }
  }
  await person('owner') // so that no other is the last one
  const tokenOf = new Map<Role, string>()
  for (const role of ROLES) tokenOf.set(role, await token(role === 'operator' ? 'local' : 'acme', role))
  let refused = 0
  for (const asker of ROLES) {
    for (const role of ['owner', 'admin', 'developer', 'auditor'] as const) {
      const may = documented.get(asker)?.has(role) === true
      const somebody = await person(role)
      for (const [method, path, body] of changes(somebody)) {
        const reason = reasonOf(await ask(method, path, { token: tokenOf.get(asker)!, ...body === undefined ? {} : { body } }))
        if (may && path === `/admin/teams/${somebody.team}`) t.equal(reason, 'ok', `${asker} removes the team of a former ${role}`)
        else if (may) t.equal(reason, 'ok', `${asker}: ${method} ${path} of ${role}`)
        else t.equal(reason, asker === 'admin' ? 'role_above_own' : 'role', `${asker}: ${method} ${path} of ${role}`)
        if (!may) refused++
      }
      const made = await ask('POST', '/admin/tokens', { body: { name: 'x', role, customer_id: 'acme' } })
      for (const [method, path, body] of [['PATCH', '', { name: 'y' }], ['POST', '/revoke', undefined], ['DELETE', '', undefined]] as const) {
        const answer = await ask(method, `/admin/tokens/${String(made.body['token_id'])}${path}`, { token: tokenOf.get(asker)!, ...body === undefined ? {} : { body } })
        t.equal(reasonOf(answer), may ? 'ok' : asker === 'admin' ? 'role_above_own' : 'role', `${asker}: ${method} of a token of ${role}`)
      }
    }
  }
  t.equal(refused, 72)
})

test('owners: a person is protected by every role that it has, also by that of a token that works, and a team by its highest', async (t) => {
  const { ask, person, token, clock } = await people(t)
  await person('owner')
  const admin = await token('acme', 'admin')
  const refusedAs = async (method: string, path: string): Promise<string> => reasonOf(await ask(method, path, { token: admin }))
  const { user } = await person('developer')
  const make = async (more: object): Promise<string> => String((await ask('POST', '/admin/tokens', { body: { name: 'x', role: 'owner', customer_id: 'acme', user_id: user, ...more } })).body['token_id'])
  await make({ expires_at: new Date(Date.now() + 60_000).toISOString() })
  t.equal(await refusedAs('POST', `/admin/users/${user}/deactivate`), 'role_above_own', 'a token with an end')
  clock.ahead += 61_000
  const endless = await make({ expires_at: null })
  t.equal(await refusedAs('POST', `/admin/users/${user}/deactivate`), 'role_above_own', 'one without')
  t.equal((await ask('POST', `/admin/tokens/${endless}/revoke`)).status, 200)
  t.equal(await refusedAs('POST', `/admin/users/${user}/deactivate`), 'ok', 'tokens that do not work give no role')
  const { team } = await person('auditor')
  const owner = await person(null)
  t.equal((await ask('POST', `/admin/teams/${team}/members`, { body: { user_id: owner.user, role: 'owner' } })).status, 201)
  t.equal(await refusedAs('DELETE', `/admin/teams/${team}`), 'role_above_own')
  t.equal(reasonOf(await ask('PATCH', `/admin/teams/${team}`, { token: admin, body: { name: 'renamed' } })), 'ok', 'a name is no role')
})

test('owners: what may not be done to one may not be done to many at once', async (t) => {
  const { ask, person, token, open } = await people(t)
  const [owner, developer] = [await person('owner'), await person('developer')]
  const items = [{ action: 'update', id: owner.user, body: { name: 'x' } }, { action: 'deactivate', id: owner.user }, { action: 'delete', id: owner.user }, { action: 'deactivate', id: developer.user }]
  const byAdmin = await ask('POST', '/admin/users/bulk', { token: await token('acme', 'admin'), body: { items } })
  t.equal(byAdmin.text.split('"role_above_own"').length - 1, 3)
  const byOperator = await ask('POST', '/admin/users/bulk', { body: { items: items.slice(1, 3) } })
  t.equal(byOperator.text.split('"last_owner"').length - 1, 2)
  t.match(await open.store.users.get('acme', owner.user), { status: 'active', name: null })
  t.match(await open.store.users.get('acme', developer.user), { status: 'inactive' })
})

test('owners: nobody lifts the own person, or another, above the own role', async (t) => {
  const { ask, person } = await people(t)
  const { user, team } = await person('admin')
  const own = String((await ask('POST', '/admin/tokens', { body: { name: 'mine', role: 'admin', customer_id: 'acme', user_id: user } })).body['token'])
  for (const role of ['operator', 'owner'] as const) {
    t.equal(reasonOf(await ask('POST', '/admin/tokens', { token: own, body: { name: 'more', role, user_id: user } })), 'role_above_own', role)
  }
  t.equal(reasonOf(await ask('POST', `/admin/teams/${team}/members`, { token: own, body: { user_id: user, role: 'owner' } })), 'role_above_own')
  t.equal((await ask('POST', `/admin/teams/${team}/members`, { token: own, body: { user_id: user, role: 'operator' } })).status, 400)
  for (const [method, path] of [['PATCH', `/admin/users/${user}`], ['PUT', `/admin/users/${user}`], ['PUT', `/admin/users/${user}/tier`]] as const) {
    t.equal((await ask(method, path, { token: own, body: { role: 'owner' } })).status, 400, path)
  }
})

test('owners: the last one stays, for everybody, until there is another; it goes with the account', async (t) => {
  const { ask, person, token, open } = await people(t)
  const first = await person('owner')
  const owner = await token('acme', 'owner')
  const removals = changes(first).filter(([method, path]) => method === 'DELETE' || path.endsWith('/deactivate'))
  for (const text of [owner, undefined]) {
    for (const [method, path] of removals) {
      const answer = await ask(method, path, text === undefined ? {} : { token: text })
      t.strictSame([answer.status, reasonOf(answer)], [409, 'last_owner'], `${method} ${path}`)
    }
  }
  t.equal(await open.store.users.count('acme', { status: { eq: 'active' } }), 1, 'nothing was done')
  t.equal(await open.store.memberships.count('acme'), 1)
  t.equal(reasonOf(await ask('PATCH', `/admin/users/${first.user}`, { body: { name: 'A' } })), 'ok', 'but can be changed')

  const inactive = await person('owner')
  await ask('POST', `/admin/users/${inactive.user}/deactivate`)
  t.equal(reasonOf(await ask('DELETE', first.member)), 'last_owner', 'one that is not active counts for nothing')
  t.equal(reasonOf(await ask('DELETE', `/admin/users/${inactive.user}`)), 'ok')
  const twice = await ask('POST', `/admin/teams/${inactive.team}/members`, { body: { user_id: first.user, role: 'owner' } })
  t.equal(reasonOf(await ask('DELETE', first.member)), 'ok', 'who is owner twice may be so once')
  t.equal(reasonOf(await ask('DELETE', twice.headers.get('location')!)), 'last_owner')

  t.equal((await ask('DELETE', '/admin/accounts/acme')).status, 204, 'only the last owner was left')
  t.equal(await open.store.users.count('acme'), 0)
})

test('owners: of two who leave at once, by whatever way, one stays', async (t) => {
  const { ask, person, open } = await people(t)
  for (let round = 0; round < 5; round++) {
    const [one, other] = [await person('owner'), await person('owner')]
    const left = await Promise.all([ask('DELETE', one.member), ask('POST', `/admin/users/${other.user}/deactivate`), ask('DELETE', `/admin/teams/${one.team}`), ask('DELETE', `/admin/users/${other.user}`)])
    t.ok(left.some(({ body }) => body?.error?.details['reason'] as unknown === 'last_owner'), 'one was refused')
    const owners = await open.store.memberships.list('acme', { filter: { role: { eq: 'owner' } }, limit: 100 })
    const active = await Promise.all(owners.map(({ user_id: user }) => open.store.users.get('acme', user)))
    t.equal(active.filter((user) => user?.status === 'active').length, 1)
    // The next round begins without.
    for (const { membership_id: id } of owners) await open.store.memberships.remove('acme', id)
  }
})

test('owners: a change waits for another one of the same account, and gives up with a reason', async (t) => {
  const { ask, person, open } = await people(t)
  const [one, two] = [await person('owner'), await person('owner')]
  await open.system.takeLease('owners acme', 'another node', 60_000)
  const refused = await ask('DELETE', one.member)
  t.strictSame([refused.status, reasonOf(refused)], [409, 'owners_changing'])
  const waiting = ask('DELETE', one.member)
  await open.system.releaseLease('owners acme', 'another node')
  t.equal((await waiting).status, 204)
  t.equal(reasonOf(await ask('DELETE', two.member)), 'last_owner')
})
