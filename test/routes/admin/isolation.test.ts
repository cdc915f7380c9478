import { test } from 'tap'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, type AdminAnswer } from '../../fixtures/admin-api.js'

const CONTENTS = ['https://target-of-', 'key-of-', 'consumer-of-', 'plan-of-', 'person-of-', 'team-of-', 'token-of-', 'SECRET_OF_', 'value-of-']

/** The same but for what differs from request to request. */
const shape = ({ status, body }: AdminAnswer): unknown => ({ status, code: body?.error?.code, message: body?.error?.message, details: body?.error?.details })

test('isolation: every id of one account, in every operation, answers another account\'s token like a missing one, and changes nothing', async (t) => {
  const { ask, account, token, engine } = await openAdminApi(t)
  const made: Record<string, Record<string, string>> = {}
  for (const name of ['acme', 'umbrella']) {
    const customer_id = await account(name)
    const create = async (path: string, field: string, body: object): Promise<string> => {
      const answer = await ask('POST', path, { body: path.includes('/members') ? body : { customer_id, ...body } })
      if (answer.status !== 201) throw new Error(`${path}: ${answer.text}`)
      return String(answer.body[field])
    }
    const project = await create('/admin/projects', 'project_id', { target_url: `https://target-of-${name}.example` })
    const user = await create('/admin/users', 'user_id', { email: `person-of-${name}@x.example` })
    const team = await create('/admin/teams', 'team_id', { name: `team-of-${name}` })
    made[name] = {
      accounts: name, projects: project, users: user, teams: team, config: `cfv_${project}_1`,
      'api-keys': await create('/admin/api-keys', 'credential_id', { project_id: project, name: `key-of-${name}` }),
      domains: await create('/admin/domains', 'domain_id', { name: `domain-of-${name}.example`, project_id: project }),
      secrets: await create('/admin/secrets', 'secret_id', { project_id: project, name: `SECRET_OF_${name}`, value: `value-of-${name}` }),
      consumers: await create('/admin/consumers', 'consumer_id', { name: `consumer-of-${name}` }),
      plans: await create('/admin/plans', 'plan_id', { name: `plan-of-${name}`, limits: { requests: '5/s' } }),
      tokens: await create('/admin/tokens', 'token_id', { name: `token-of-${name}`, role: 'developer' }),
      audit: String((await ask('GET', `/admin/audit?customer_id=${name}`)).body.data[0]!['audit_id']),
      member: await create(`/admin/teams/${team}/members`, 'membership_id', { user_id: user, role: 'developer' })
    }
  }
  const stranger = await token('umbrella', 'owner')
  const theirs = made['acme']!
  const before = JSON.stringify([...engine.documents('projects'), ...engine.documents('credentials'), ...engine.documents('users'), ...engine.documents('teams'), ...engine.documents('memberships'), ...engine.documents('consumers'), ...engine.documents('plans'), ...engine.documents('domains'), ...engine.documents('secrets'), ...engine.documents('admin_tokens'), ...engine.documents('accounts')].filter(([, { customerId }]) => customerId === 'acme'))
  const bodies: Record<string, object> = {
    accounts: { name: 'x' }, projects: { target_url: 'https://x.example' }, users: { email: 'x@x.example' }, teams: { name: 'x' }, 'api-keys': { name: 'x' }, consumers: { name: 'x' }, plans: { name: 'x', limits: {} }, tokens: { name: 'x' }, secrets: { value: 'x' }
  }
  let tried = 0
  for (const { method, url, id } of OPERATIONS.filter(({ url }) => url.includes(':'))) {
    const kind = url.split('/')[2]!
    const body = url.endsWith('/tier') ? { tier: 'x' } : url.endsWith('/rollback') ? { version: 1 } : url.endsWith('/members') ? { user_id: theirs['users'], role: 'developer' } : url.endsWith('/:id') ? bodies[kind] : {}
    const send = async (target: string): Promise<AdminAnswer> => {
      const path = url.replace(':id', target).replace(':member', theirs['member']!)
      return await ask(method, path, { token: stranger, ...method === 'GET' || method === 'DELETE' ? {} : { body }, headers: { 'if-match': '"1"', 'if-none-match': '"1"' } })
    }
    const foreign = await send(theirs[kind] ?? '')
    const missing = await send(kind === 'audit' ? 'aud_999999999999' : 'no-such-one')
    tried++
    t.same(shape(foreign), shape(missing), id)
    t.ok([403, 404].includes(foreign.status), `${id}: ${foreign.status}`)
    t.equal(foreign.headers.get('etag'), null)
    for (const content of CONTENTS) t.notOk(foreign.text.includes(`${content}acme`), id)
  }
  t.ok(tried >= 35, `${tried} operations`)

  for (const { url } of OPERATIONS.filter(({ method, url }) => method === 'GET' && !url.includes(':') && !['/admin/audit/verify', '/admin/system'].includes(url))) {
    for (const query of ['', '?customer_id=acme', '?customer_id=acme,umbrella', '?perPage=100&cursor=']) {
      const { status, text } = await ask('GET', url + query, { token: stranger })
      if (status === 200) t.notOk(/"customer_id":"acme"|-of-acme|_OF_acme/.test(text), `${url}${query} shows nothing of theirs`)
      else t.ok(['/admin/accounts', '/admin/config', '/admin/config/diff'].includes(url) && status === 400, `${url}${query}: ${status}`)
    }
  }
  const { users, projects, consumers, plans } = theirs
  for (const path of ['/admin/config?project_id=ID', '/admin/config/diff?from=1&project_id=ID', '/admin/config/diff?from=cfv_ID_1', `/admin/config/diff?from=${made['umbrella']!['config']}&to=cfv_ID_1`]) {
    const [foreign, missing] = [await ask('GET', path.replace('ID', projects!), { token: stranger }), await ask('GET', path.replace('ID', 'no-such-one'), { token: stranger })]
    t.equal(foreign.status, 404, path)
    t.same(shape(foreign), shape(missing), path)
  }
  const references: [string, object][] = [
    ['/admin/api-keys', { project_id: projects }], ['/admin/domains', { project_id: projects, name: 'x.example' }], ['/admin/api-keys', { project_id: made['umbrella']!['projects'], consumer_id: consumers }], ['/admin/api-keys', { project_id: made['umbrella']!['projects'], plan_id: plans }],
    ['/admin/tokens', { name: 'x', role: 'auditor', scope: 'project', scope_id: projects }], ['/admin/tokens', { name: 'x', role: 'auditor', user_id: users }], ['/admin/tokens', { name: 'x', role: 'auditor', scope_id: 'acme' }],
    [`/admin/teams/${made['umbrella']!['teams']}/members`, { user_id: users, role: 'auditor' }], ['/admin/projects', { target_url: 'https://x.example', customer_id: 'acme' }], ['/admin/secrets', { name: 'X', value: 'x', project_id: projects }], ['/admin/secrets', { name: 'X', value: 'x', customer_id: 'acme' }], ['/', { target_url: 'https://x.example', customer_id: 'acme' }]
  ]
  for (const [path, body] of references) {
    const [foreign, missing] = [await ask('POST', path, { token: stranger, body }), await ask('POST', path, { token: stranger, body: JSON.parse(JSON.stringify(body, (_key, value: unknown) => [users, projects, consumers, plans, 'acme'].includes(value as string) ? 'no-such-one' : value)) as object })]
    t.ok([400, 404].includes(foreign.status), `${path} ${JSON.stringify(body)}: ${foreign.status}`)
    t.same(shape(foreign), shape(missing))
  }
  const after = JSON.stringify([...engine.documents('projects'), ...engine.documents('credentials'), ...engine.documents('users'), ...engine.documents('teams'), ...engine.documents('memberships'), ...engine.documents('consumers'), ...engine.documents('plans'), ...engine.documents('domains'), ...engine.documents('secrets'), ...engine.documents('admin_tokens'), ...engine.documents('accounts')].filter(([, { customerId }]) => customerId === 'acme'))
  t.equal(after, before, 'nothing of theirs changed')
})

test('isolation: a token for one project sees that project and its keys alone', async (t) => {
  const { ask, account, token } = await openAdminApi(t)
  const acme = await account('acme')
  for (const id of ['one', 'two']) {
    await ask('POST', '/admin/projects', { body: { project_id: id, target_url: 'https://x.example', customer_id: acme } })
    await ask('POST', '/admin/api-keys', { body: { project_id: id, name: `key-of-${id}` } })
  }
  const keys = (await ask('GET', '/admin/api-keys?sort=name')).body.data.map(({ credential_id: id }) => String(id))
  const only = await token(acme, 'admin', 'one')
  t.same((await ask('GET', '/admin/projects', { token: only })).body.data.map(({ project_id: id }) => String(id)), ['one'])
  t.equal((await ask('GET', '/admin/projects/two', { token: only })).status, 404)
  t.equal((await ask('PATCH', '/admin/projects/two', { token: only, body: { active: false } })).status, 404)
  for (const path of ['/admin/config?project_id=two', '/admin/config/cfv_two_1', '/admin/config/diff?from=cfv_two_1']) t.equal((await ask('GET', path, { token: only })).status, 404, path)
  t.equal((await ask('GET', '/admin/config?project_id=one', { token: only })).body.data.length, 1)
  t.equal((await ask('POST', '/admin/projects/two/rollback', { token: only, body: { version: 1 } })).status, 404)
  for (const query of ['', '?project_id=two', '?project_id=one,two', '?search=two', '?cursor=']) t.notOk((await ask('GET', `/admin/api-keys${query}`, { token: only })).text.includes('key-of-two'), query)
  t.equal((await ask('GET', `/admin/api-keys/${keys[0]!}`, { token: only })).status, 200)
  for (const [method, path] of [['GET', ''], ['POST', '/revoke'], ['POST', '/rotate'], ['POST', '/regenerate'], ['GET', '/usage'], ['DELETE', '']] as const) t.equal((await ask(method, `/admin/api-keys/${keys[1]!}${path}`, { token: only })).status, 404)
  t.equal((await ask('POST', '/admin/api-keys', { token: only, body: { project_id: 'two' } })).status, 400)
  t.equal((await ask('POST', '/admin/api-keys', { token: only, body: { project_id: 'one' } })).status, 201)
})
