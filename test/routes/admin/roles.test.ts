import { test } from 'tap'
import type { Role } from '../../../core/state/records.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { GRANTS, type Permission } from '../../../routes/admin/roles.js'
import { openAdminApi } from '../../fixtures/admin-api.js'
import { codesIn, readDocument, tablesUnder } from '../../fixtures/documents.js'

const ROLES: readonly Role[] = ['operator', 'owner', 'admin', 'developer', 'auditor']

/** The table of the document: by permission, what each role may, and whether in one project. */
function documented (): Map<Permission, { roles: Role[], inOneProject: boolean }> {
  const [table = []] = tablesUnder(readDocument('docs/roles.md'), 'The table')
  return new Map(table.map(([name = '', ...cells]) => [codesIn(name)[0] as Permission, { roles: ROLES.filter((_, i) => cells[i] === 'yes'), inOneProject: cells[5] === 'yes' }]))
}

test('roles: the table of the document has a row for each permission, and each is one of some operation', (t) => {
  const table = documented()
  t.same([...table.keys()], Object.keys(GRANTS))
  const used = new Set<string>(['system', ...OPERATIONS.map(({ permission }) => permission)])
  t.same(Object.keys(GRANTS).filter((name) => !used.has(name)), [])
  t.end()
})

test('roles: every operation lets those through that the document says, cell by cell', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  const made = await ask('POST', '/admin/projects', { body: { project_id: 'acme-shop', target_url: 'https://api.example.com', customer_id: acme } })
  t.equal(made.status, 201)
  const tokens: { role: Role, one: boolean, text: string }[] = []
  for (const role of ROLES) {
    tokens.push({ role, one: false, text: await token(role === 'operator' ? 'local' : acme, role) })
    if (role !== 'operator') tokens.push({ role, one: true, text: await token(acme, role, 'acme-shop') })
  }
  const routes: { method: string, path: string, permission: Permission }[] = [
    ...OPERATIONS.map(({ method, url, permission }) => ({ method, path: url.replace(/:\w+/g, 'no-such-one'), permission })),
    ...['/metrics', '/status', '/config'].map((path) => ({ method: 'GET', path, permission: 'system' as const })), { method: 'POST', path: '/reload', permission: 'system' }
  ]
  const table = documented()
  let cells = 0
  for (const { method, path, permission } of routes) {
    const row = table.get(permission)
    for (const { role, one, text } of tokens) {
      // A body with a field that nothing knows: who may gets as far as 400 and changes nothing.
      const { status, body } = await ask(method, path, { token: text, ...['POST', 'PUT', 'PATCH'].includes(method) && path !== '/reload' ? { body: { nothing_knows_this: 1 } } : {} })
      const may = row?.roles.includes(role) === true && (!one || row.inOneProject)
      cells++
      if (may) t.ok([200, 400, 404].includes(status), `${role}${one ? ' in one project' : ''} may ${method} ${path}: ${status}`)
      else t.strictSame([status, body.error.details['reason']], [403, 'role'], `${role}${one ? ' in one project' : ''} may not ${method} ${path}`)
    }
  }
  t.equal(cells, routes.length * tokens.length)
})

test('roles: nobody gives a role above the own one, takes one away, or leaves the own account', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const [acme, umbrella] = [await account('acme'), await account('umbrella')]
  const given: [Role, Role[]][] = [['owner', ['owner', 'admin', 'developer', 'auditor']], ['admin', ['admin', 'developer', 'auditor']]]
  const team = (await ask('POST', '/admin/teams', { body: { name: 'core', customer_id: acme } })).body['team_id'] as unknown as string
  const user = (await ask('POST', '/admin/users', { body: { email: 'a@b.example', customer_id: acme } })).body['user_id'] as unknown as string
  const other = (await ask('POST', '/admin/users', { body: { email: 'owner@b.example', customer_id: acme } })).body['user_id'] as unknown as string
  t.equal((await ask('POST', `/admin/teams/${team}/members`, { body: { user_id: other, role: 'owner' } })).status, 201, 'so that nobody is the last owner')
  for (const [giver, may] of given) {
    const text = await token(acme, giver)
    for (const role of ROLES) {
      const { status, body } = await ask('POST', '/admin/tokens', { token: text, body: { name: 'x', role } })
      t.strictSame([status, status === 201 ? 'ok' : body.error.details['reason']], may.includes(role) ? [201, 'ok'] : [403, 'role_above_own'], `${giver} gives ${role}`)
      if (role === 'operator') continue
      const member = await ask('POST', `/admin/teams/${team}/members`, { token: text, body: { user_id: user, role } })
      t.equal(member.status, may.includes(role) ? 201 : 403, `${giver} makes a member ${role}`)
      if (member.status === 201) t.equal((await ask('DELETE', member.headers.get('location')!, { token: text })).status, 204)
    }
    t.equal((await ask('POST', '/admin/tokens', { token: text, body: { name: 'x', role: 'auditor', customer_id: umbrella } })).status, 404)
  }
  const owners = (await ask('GET', '/admin/tokens?role=owner')).body.data[0]!['token_id'] as unknown as string
  const admin = await token(acme, 'admin')
  for (const [method, path] of [['POST', `/admin/tokens/${owners}/revoke`], ['DELETE', `/admin/tokens/${owners}`]] as const) t.equal((await ask(method, path, { token: admin })).status, 403)
  t.equal((await ask('PATCH', `/admin/tokens/${owners}`, { token: admin, body: { name: 'mine' } })).status, 403)
  t.equal((await ask('POST', '/admin/tokens', { body: { name: 'x', role: 'operator', customer_id: acme } })).status, 400, 'an operator is one of the operators\' account')
})

test('roles: a token ends with its time, its revocation, its user and its account', async (t) => {
  const { ask, account, clock } = await openAdminApi(t)
  const acme = await account('acme')
  const user = (await ask('POST', '/admin/users', { body: { email: 'a@b.example', customer_id: acme } })).body['user_id'] as unknown as string
  const make = async (more: object): Promise<{ text: string, id: string }> => {
    const { body } = await ask('POST', '/admin/tokens', { body: { name: 'x', role: 'auditor', customer_id: acme, ...more } })
    return { text: body['token'] as unknown as string, id: body['token_id'] as unknown as string }
  }
  const works = async (text: string): Promise<boolean> => {
    clock.ahead += 1000 // what is remembered of a token is over within a second
    return (await ask('GET', '/admin/projects', { token: text })).status === 200
  }
  const revoked = await make({})
  t.ok(await works(revoked.text))
  t.equal((await ask('POST', `/admin/tokens/${revoked.id}/revoke`)).status, 200)
  t.notOk(await works(revoked.text))
  const short = await make({ expires_at: new Date(Date.now() + 60_000).toISOString() })
  t.ok(await works(short.text))
  clock.ahead += 61_000
  t.notOk(await works(short.text))
  const personal = await make({ user_id: user })
  t.ok(await works(personal.text))
  t.equal((await ask('POST', `/admin/users/${user}/deactivate`)).status, 200)
  t.notOk(await works(personal.text))
  const of = await make({})
  t.equal((await ask('POST', `/admin/accounts/${acme}/suspend`)).status, 200)
  t.notOk(await works(of.text))
  t.equal((await ask('POST', `/admin/accounts/${acme}/resume`)).status, 200)
  t.ok(await works(of.text))
})
