import { test } from 'tap'
import { ID_FIELDS, type CollectionName } from '../../../core/state/records.js'
import { openAdminApi } from '../../fixtures/admin-api.js'
import { configVersion, consumer, credential, domain, plan, project, secret, user } from '../../fixtures/store-records.js'

// More than two lists of the store give.
const MANY = 2_500
const DAY = { project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 1, errors: 0 }
const membership = (id: string, userId: string, teamId: string | null, scope: 'account' | 'project' | 'consumer', scopeId: string) =>
  ({ membership_id: id, user_id: userId, team_id: teamId, scope, scope_id: scopeId, role: 'developer' as const })
const token = (id: string, userId: string | null, scopeId: string, scope: 'account' | 'project' = 'account') =>
  ({ token_id: id, user_id: userId, name: id, prefix: id, digest: 'd', pepper_id: 'p', role: 'developer' as const, scope, scope_id: scopeId, status: 'active' as const, expires_at: null, last_used_at: null })
const subscription = (id: string, consumerId: string, projectId: string) => ({ subscription_id: id, consumer_id: consumerId, project_id: projectId, plan_id: 'pl1', status: 'active' as const })

test('clean-up: what goes with a consumer, a user, a team or a project goes all of it, and nothing else', async (t) => {
  const { ask, open: { store }, account } = await openAdminApi(t)
  await account('acme')
  for (const id of ['c1', 'c2']) await store.consumers.insert('acme', consumer(id))
  for (const id of ['shop', 'blog']) await store.projects.insert('acme', project(id))
  for (const id of ['u1', 'u2']) await store.users.insert('acme', user(id))
  for (let index = 0; index < MANY; index++) await store.credentials.insert('acme', credential(`k${index}`, { consumer_id: 'c1', project_id: 'blog' }))
  for (let index = 0; index < MANY; index++) await store.credentials.insert('acme', credential(`s${index}`, { consumer_id: 'c2', project_id: 'shop' }))
  for (let index = 0; index < MANY; index++) await store.admin_tokens.insert('acme', token(`t${index}`, 'u1', 'acme'))
  for (let index = 0; index < MANY; index++) await store.memberships.insert('acme', membership(`m${index}`, 'u1', `other${index}`, 'account', 'acme'))
  await store.subscriptions.insert('acme', subscription('s1', 'c1', 'blog'))
  await store.subscriptions.insert('acme', subscription('s2', 'c2', 'shop'))
  await store.secrets.insert('acme', secret('of-shop', { project_id: 'shop' }))
  await store.secrets.insert('acme', secret('of-all'))
  await store.admin_tokens.insert('acme', token('stays', 'u2', 'acme'))
  await store.admin_tokens.insert('acme', token('of-shop', 'u2', 'shop', 'project'))
  for (const [id, scope, scopeId] of [['of-c1', 'consumer', 'c1'], ['in-shop', 'project', 'shop'], ['in-blog', 'project', 'blog']] as const) await store.memberships.insert('acme', membership(id, 'u2', null, scope, scopeId))

  const exported = await ask('GET', '/admin/consumers/c1/export')
  t.equal(Object.keys(exported.body['api_keys']!).length, MANY, 'all that is kept of a consumer')
  t.equal(Object.keys((await ask('GET', '/admin/users/u1/export')).body['tokens']!).length, MANY, 'and of a user')
  t.equal((await ask('DELETE', '/admin/consumers/c1')).status, 204)
  t.equal(await store.credentials.count('acme', { consumer_id: { eq: 'c1' } }), 0)
  t.same((await store.subscriptions.list('acme', { limit: 10 })).map(({ subscription_id: id }) => id), ['s2'])
  t.equal((await ask('DELETE', '/admin/users/u1')).status, 204)
  t.same((await store.admin_tokens.list('acme', { limit: 10 })).map(({ token_id: id }) => id), ['of-shop', 'stays'])
  t.same((await store.memberships.list('acme', { limit: 10 })).map(({ membership_id: id }) => id), ['in-blog', 'in-shop'])
  t.equal((await ask('DELETE', '/admin/projects/shop')).status, 204)
  t.equal(await store.credentials.count('acme'), 0)
  t.same((await store.secrets.list('acme', { limit: 10 })).map(({ secret_id: id }) => id), ['of-all'])
  t.same((await store.admin_tokens.list('acme', { limit: 10 })).map(({ token_id: id }) => id), ['stays'])
  t.same((await store.memberships.list('acme', { limit: 10 })).map(({ membership_id: id }) => id), ['in-blog'])

  const team = String((await ask('POST', '/admin/teams', { body: { name: 'core', customer_id: 'acme' } })).body['team_id'])
  for (let index = 0; index < MANY; index++) await store.memberships.insert('acme', membership(`n${index}`, `someone${index}`, team, 'account', 'acme'))
  t.equal((await ask('DELETE', `/admin/teams/${team}`)).status, 204)
  t.same((await store.memberships.list('acme', { limit: 10 })).map(({ membership_id: id }) => id), ['in-blog'])
})

test('clean-up: of an account that is removed nothing is left in any collection but its part of the audit trail, and nothing of another goes', async (t) => {
  const { ask, open: { store, system }, account, engine } = await openAdminApi(t)
  for (const id of ['acme', 'other']) {
    await account(id)
    await store.domains.insert(id, domain(`d-${id}`))
    await store.plans.insert(id, plan(`pl-${id}`))
    await store.secrets.insert(id, secret(`sec-${id}`))
    await store.teams.insert(id, { team_id: `t-${id}`, name: 'core', description: null })
    await store.memberships.insert(id, membership(`m-${id}`, 'gone', null, 'account', id))
    await store.subscriptions.insert(id, subscription(`s-${id}`, `c-${id}`, 'shop'))
    await store.admin_tokens.insert(id, token(`tok-${id}`, null, id))
    await store.config_versions.insert(id, configVersion(`v-${id}`, id === 'acme' ? 1 : 2))
    await store.usage.add(id, [DAY])
  }
  for (let index = 0; index < MANY; index++) await store.credentials.insert('acme', credential(`k${index}`))
  await store.credentials.insert('other', credential('theirs'))
  const since = await system.latestSeq()
  t.equal((await ask('DELETE', '/admin/accounts/acme')).status, 204)
  for (const collection of Object.keys(ID_FIELDS) as CollectionName[]) {
    const left = [...engine.documents(collection).values()].filter(({ customerId, record }) => customerId === 'acme' && record !== null)
    if (collection === 'audit_records') t.ok(left.length > 0, 'the trail stays whole')
    else t.same(left, [], collection)
    if (!['audit_records', 'projects', 'users', 'consumers'].includes(collection)) t.ok([...engine.documents(collection).values()].some(({ customerId, record }) => customerId === 'other' && record !== null), `${collection} of another`)
  }
  t.same(await store.usage.days('acme', {}, '2026-01-01', '2026-12-31'), [])
  t.equal((await store.usage.days('other', {}, '2026-01-01', '2026-12-31')).length, 1)
  const removed = new Set((await system.changesSince(since, 10_000)).filter(({ record, collection }) => record === null && collection === 'credentials').map(({ id }) => id))
  t.equal(removed.size, MANY, 'directories are told of each key')
})
