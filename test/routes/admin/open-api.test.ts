import fc from 'fast-check'
import { test } from 'tap'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { ERROR_CODES } from '../../../core/errors.js'
import { exampleOf } from '../../../routes/admin/describe-operation.js'
import { createValidator } from '../../../routes/admin/validation.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'

interface Described { operationId: string, summary: string, parameters?: { name: string, in: string }[], requestBody?: { content: Record<string, { example?: unknown, examples?: unknown, schema: { examples?: unknown[] } }> }, responses: Record<string, { description: string, headers?: Record<string, { description?: string, schema: object }>, content?: Record<string, { example?: unknown, examples?: Record<string, { value: unknown }>, schema: { examples?: unknown[] } }> }> }

/** The header fields that the document tells of, where an answer has them. */
const TOLD = ['etag', 'location', 'x-request-id', 'retry-after', 'idempotent-replay', 'www-authenticate']
const toldOf = (headers: Headers): string[] => [...headers.keys()].filter((name) => TOLD.includes(name) || /ratelimit/.test(name)).sort()

/** The documented header fields of each operation and status. */
async function documentedHeaders (ask: AdminApiFixture['ask']): Promise<Map<string, string[]>> {
  const { paths } = JSON.parse((await ask('GET', '/admin/openapi.json')).text) as { paths: Record<string, Record<string, Described>> }
  const described = Object.values(paths).flatMap((methods) => Object.values(methods))
  return new Map(described.flatMap(({ operationId, responses }) => Object.entries(responses).map(([status, { headers = {} }]) => [`${operationId} ${status}`, Object.keys(headers).map((name) => name.toLowerCase()).sort()])))
}

test('openapi: the document has every operation, with its parameters, an example, and the codes that it may answer', async (t) => {
  const { ask } = await openAdminApi(t)
  const answer = await ask('GET', '/admin/openapi.json')
  t.equal(answer.status, 200)
  const { openapi, paths } = JSON.parse(answer.text) as { openapi: string, paths: Record<string, Record<string, Described>> }
  t.equal(openapi, '3.1.0')
  const described = Object.entries(paths).flatMap(([path, methods]) => Object.entries(methods).map(([method, one]) => ({ name: `${method.toUpperCase()} ${path}`, one })))
  t.same(described.map(({ name }) => name).sort(), OPERATIONS.map(({ method, url }) => `${method} ${url.replace(/:(\w+)/g, '{$1}')}`).sort())
  const known = new Set(Object.values(ERROR_CODES).map(({ status }) => String(status)))
  for (const { name, one } of described) {
    for (const status of ['400', '401', '403', '429', '503']) t.ok(one.responses[status], `${name} may answer ${status}`)
    t.ok(Object.keys(one.responses).every((status) => /^2|^304$/.test(status) || known.has(status)))
    for (const [, parameter] of name.matchAll(/\{(\w+)\}/g)) t.ok(one.parameters?.some((given) => given.name === parameter && given.in === 'path'), `${name} has ${parameter!}`)
    if (one.requestBody !== undefined) t.ok(Object.values(one.requestBody.content).every(({ example, examples, schema }) => (example ?? examples ?? schema.examples) !== undefined), `${name} has an example`)
  }
  t.equal(new Set(described.map(({ one }) => one.operationId)).size, described.length)
  const byId = new Map(OPERATIONS.map((operation) => [operation.id, operation]))
  for (const { name, one } of described) {
    const { answer, body, url, method } = byId.get(one.operationId)!
    for (const [status, { description, content }] of Object.entries(one.responses)) {
      const [media] = Object.values(content ?? {})
      const example = media?.example ?? Object.values(media?.examples ?? {})[0]?.value ?? media?.schema.examples?.[0]
      if (status === '304') continue
      if (status.startsWith('2')) {
        if (answer !== null) t.same([...Value.Errors(answer, example)].map((error) => JSON.stringify(error)), [], `${name}: the example of ${status} is one`)
        continue
      }
      const { code } = (example as { error: { code: keyof typeof ERROR_CODES } }).error
      t.strictSame([String(ERROR_CODES[code].status), description.split(':')[0]], [status, code], `${name}: ${status} has an example with its code`)
    }
    if (url.includes(':')) t.ok(one.responses['404'], `${name} may answer 404`)
    if (method === 'POST') t.ok(one.responses['409'], `${name} may answer 409`)
    if (body !== undefined) t.doesNotThrow(() => { createValidator(body, 'body')(exampleOf(body)) }, `${name}: the example of its body is taken`)
  }
})

test('openapi: what operations answer is what their schemas say', async (t) => {
  const { ask, txt } = await openAdminApi(t)
  const answers = new Map<string, string>()
  const documented = await documentedHeaders(ask)
  const made: Record<string, string> = {}
  const bodies: Record<string, object> = {
    'quick-start': { target_url: 'https://x.example' }, 'accounts.create': { name: 'x' }, 'projects.create': { target_url: 'https://x.example' }, 'consumers.create': { name: 'x' }, 'plans.create': { name: 'x', limits: { requests: '1/s' } }, 'users.create': { email: 'a@x.example' },
    'teams.create': { name: 'x' }, 'secrets.create': { name: 'X', value: 'x' }, 'secrets.replace': { value: 'y' }, 'secrets.update': { value: 'z' }, 'tokens.create': { name: 'x', role: 'auditor' }, 'accounts.replace': { name: 'y' }, 'projects.replace': { target_url: 'https://y.example' }, 'consumers.replace': { name: 'y' }, 'plans.replace': { name: 'y', limits: {} }, 'users.replace': { email: 'b@x.example' }, 'teams.replace': { name: 'y' },
    'accounts.update': { name: 'z' }, 'projects.update': { active: false }, 'api-keys.update': { name: 'z' }, 'consumers.update': { name: 'z' }, 'plans.update': { name: 'z' }, 'users.update': { name: 'z' }, 'teams.update': { name: 'z' }, 'tokens.update': { name: 'z' }, 'projects.rollback': { version: 1 }, 'users.tier': { tier: 'gold' }, 'audit.erase-person': { customer_id: 'local', email: 'nobody@x.example' },
    'users.bulk': { items: [{ action: 'create', body: { email: 'c@x.example' } }, { action: 'update', id: 'none', body: { name: 'x' } }] }, 'api-keys.bulk': { items: [{ action: 'revoke', id: 'none' }] }
  }
  const order = (id: string): number => /create$|^quick/.test(id) ? 0 : /members.add/.test(id) ? 1 : /regenerate/.test(id) ? 2 : /rotate/.test(id) ? 3 : /members.remove/.test(id) ? 4 : /delete$/.test(id) ? (/^plans|^tokens|^api|^domains/.test(id) ? 6 : /^projects|^users|^consumers/.test(id) ? 7 : /^teams/.test(id) ? 6 : 8) : /revoke|deactivate/.test(id) ? 5 : 4
  // Within one step a key comes after what it refers to.
  const later = (id: string): number => id === 'api-keys.create' || id === 'domains.create' ? 1 : 0
  for (const { id, method, url, status, answer } of [...OPERATIONS].sort((a, b) => order(a.id) - order(b.id) || later(a.id) - later(b.id))) {
    const kind = url.split('/')[2] ?? ''
    made['config'] = `cfv_${made['projects'] ?? ''}_1`
    const query = id === 'config.list' ? `?project_id=${made['projects']!}` : id === 'config.diff' ? `?from=${made['config']}` : ''
    const path = url.replace(':id', made[kind] ?? 'none').replace(':member', made['member'] ?? 'none') + query
    const body = id === 'api-keys.create' ? { project_id: made['projects'] } : id === 'domains.create' ? { project_id: made['projects'], name: 'a.x.example' } : id === 'teams.members.add' ? { user_id: made['users'], role: 'auditor' } : bodies[id]
    if (id === 'audit.get') made['audit'] = String((await ask('GET', '/admin/audit')).body.data[0]!['audit_id'])
    const given = await ask(method, id === 'audit.get' ? url.replace(':id', made['audit']!) : path, { body: body ?? (method === 'GET' || method === 'DELETE' ? undefined : {}) })
    t.equal(given.status, status, `${id} ${path}: ${given.text.slice(0, 300)}`)
    if (answer !== null && given.status === status) t.same([...Value.Errors(answer as TSchema, given.body)].map((error) => JSON.stringify(error)), [], id)
    t.same(toldOf(given.headers), documented.get(`${id} ${status}`)!.filter((name) => name !== 'idempotent-replay'), `${id}: the header fields of ${status}`)
    answers.set(id, given.text)
    const idField = Object.keys(given.body ?? {}).find((name) => name.endsWith('_id'))
    if (id.endsWith('.create') && idField !== undefined) made[kind] = String(given.body[idField])
    if (id === 'domains.create') txt.set('_sluice-challenge.a.x.example', [String(given.body['challenge']!['value'])])
    if (id === 'teams.members.add') made['member'] = String(given.body['membership_id'])
  }
  t.equal(answers.size, OPERATIONS.length)
})

test('openapi: the header fields of answers that are seldom are documented too', async (t) => {
  const { ask, engine } = await openAdminApi(t)
  const documented = await documentedHeaders(ask)
  const holds = (id: string, { status, headers }: AdminAnswer, expected: number, ...names: string[]): void => {
    t.equal(status, expected, id)
    t.same(toldOf(headers), [...names, 'x-request-id'].sort(), `${id} ${status}`)
    t.same(toldOf(headers).filter((name) => documented.get(`${id} ${status}`)?.includes(name) !== true), [], `${id} ${status}: documented`)
  }
  const body = { project_id: 'one', target_url: 'https://x.example' }
  const headers = { 'idempotency-key': 'k' }
  holds('projects.create', await ask('POST', '/admin/projects', { body, headers }), 201, 'etag', 'location')
  holds('projects.create', await ask('POST', '/admin/projects', { body, headers }), 201, 'etag', 'location', 'idempotent-replay')
  holds('projects.get', await ask('GET', '/admin/projects/one', { headers: { 'if-none-match': '*' } }), 304, 'etag')
  const slow = engine.insert.bind(engine)
  let go = (): void => {}
  let inside = (): void => {}
  const reached = new Promise<void>((resolve) => { inside = resolve })
  engine.insert = async (...args) => {
    if (args[0] === 'plans') await new Promise<void>((resolve) => { go = resolve; inside() })
    return await slow(...args)
  }
  const plan = { body: { name: 'free', limits: {} }, headers: { 'idempotency-key': 'p' } }
  const first = ask('POST', '/admin/plans', plan)
  await reached
  holds('plans.create', await ask('POST', '/admin/plans', plan), 409, 'retry-after')
  go()
  holds('plans.create', await first, 201, 'etag', 'location')
  engine.gone = true
  holds('plans.list', await ask('GET', '/admin/plans'), 503, 'retry-after')
  engine.gone = false
  for (let wrong = 1; wrong <= 10; wrong++) holds('plans.list', await ask('GET', '/admin/plans', { token: 'sat_wrong' }), 401, 'www-authenticate')
  holds('plans.list', await ask('GET', '/admin/plans'), 429, 'retry-after')
})

test('openapi: whatever is sent to an operation, the answer is 2xx to 4xx in the one shape', async (t) => {
  const { ask, logged } = await openAdminApi(t)
  await ask('POST', '/admin/projects', { body: { project_id: 'one', target_url: 'https://x.example' } })
  const scalar = fc.oneof(fc.string({ unit: 'binary' }), fc.integer(), fc.double(), fc.boolean(), fc.constant(null), fc.constantFrom('$ne', '__proto__', 'one', 'local', '2027-01-01T00:00:00Z', '1/s', '10.0.0.0/8', 'https://x.example', 'operator', 'active'))
  const anything = fc.oneof(scalar, fc.array(scalar, { maxLength: 3 }), fc.dictionary(fc.oneof(fc.string(), fc.constantFrom('$ne', '$where', 'a.b', '__proto__', 'constructor')), scalar, { maxKeys: 3 }))
  let [sent, good] = [0, 0]
  const seen = new Set<string>()
  const headersOf = await documentedHeaders(ask)
  for (const { id, method, url, body, query } of OPERATIONS) {
    const example = body === undefined ? {} : exampleOf(body) as Record<string, unknown>
    const bodyOf = fc.oneof(
      // The example with some of its fields changed or left out, and anything at all.
      fc.tuple(fc.dictionary(fc.constantFrom(...Object.keys(example), 'unknown'), anything, { maxKeys: 2 }), fc.subarray(Object.keys(example))).map(([changed, kept]) => ({ ...Object.fromEntries(kept.map((name) => [name, example[name]])), ...changed })),
      anything
    )
    const queryOf = fc.dictionary(fc.constantFrom(...Object.keys(query?.properties ?? {}), 'unknown', 'a[$gt]'), fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('1', '0', '-1', '1e9', 'true', 'created_at', 'asc', 'active,x', '2026-11-01', '2026-11-01T00:00:00Z', 'name')), { maxKeys: 2 })
    const param = fc.oneof(fc.constantFrom('one', 'local', 'aud_000000000001', '__proto__', '..', '%00'), fc.string({ minLength: 1, unit: 'binary' }).map((text) => encodeURIComponent(text.replace(/\p{Surrogate}/gu, ''))).filter((text) => text !== ''))
    await fc.assert(fc.asyncProperty(bodyOf, queryOf, param, async (sentBody, sentQuery, sentParam) => {
      const search = method === 'GET' ? `?${new URLSearchParams(sentQuery as Record<string, string>).toString()}` : ''
      const { status, text, body: given, headers } = await ask(method, url.replace(':id', sentParam).replace(':member', sentParam) + search, method === 'GET' ? {} : method === 'DELETE' ? {} : { body: JSON.stringify(sentBody) })
      sent++
      if (status < 400) good++
      seen.add(`${id} ${status}`)
      const known = headersOf.get(`${id} ${status}`)
      const unknown = known === undefined ? [] : toldOf(headers).filter((name) => !known.includes(name))
      if (unknown.length > 0) throw new Error(`${id}: ${status} has ${unknown.join()}, which is not documented`)
      if (status >= 500 || status < 200 || (status >= 400 && typeof given?.error?.code !== 'string')) throw new Error(`${id}: ${status} ${text.slice(0, 300)}`)
    }), { numRuns: 25 })
  }
  t.ok(sent >= OPERATIONS.length * 25, `${sent} requests, ${good} of them good`)
  t.ok(good > 50, 'some get through')
  const { paths } = JSON.parse((await ask('GET', '/admin/openapi.json')).text) as { paths: Record<string, Record<string, Described>> }
  const documented = new Set(Object.values(paths).flatMap((methods) => Object.values(methods)).flatMap(({ operationId, responses }) => Object.keys(responses).map((status) => `${operationId} ${status}`)))
  // A parameter like `..` leads to another path, one that is too long to none.
  const elsewhere = /:.* (?:404|405|414)$/
  t.same([...seen].filter((one) => !documented.has(one) && !elsewhere.test(`${OPERATIONS.find(({ id }) => id === one.split(' ')[0])?.url ?? ''} ${one.split(' ')[1] ?? ''}`)), [], 'nothing is answered that is not documented')
  t.strictSame(logged.filter(({ level }) => level === 'error'), [], 'nothing failed inside')
})
