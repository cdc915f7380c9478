import { test } from 'tap'
import { ID_FIELDS, type CollectionName } from '../../../core/state/records.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, type AdminAnswer, type AdminApiFixture } from '../../fixtures/admin-api.js'
import { led, makeWorld, missingLike, requestFor, sendWalk, tagOf, type WalkRequest, type World } from '../../fixtures/operation-walk.js'

const VICTIM = 'acme'
const STRANGER = 'umbrella'
const CONDITIONS: readonly Readonly<Record<string, string>>[] = [{}, { 'if-match': '"1"' }, { 'if-match': '*' }, { 'if-none-match': '"1"' }, { 'if-none-match': '*' }]

/** Status, headers that tell of a record, and body; less what differs from request to request, and the id that the sender named itself. Where the own record was written, what was named besides was ignored, and each write has a revision of its own. */
function shapeOf ({ status, headers, text }: AdminAnswer, sent: string, writes: boolean): string {
  const body = text.replaceAll(sent, '<id>').replaceAll(encodeURIComponent(sent), '<id>').replace(/"(requestId|timestamp|created_at|updated_at)":"[^"]*"/g, '"$1":"…"')
  return JSON.stringify([status, writes && status < 300 ? null : headers.get('etag'), headers.get('location'), headers.get('content-type'), headers.get('last-modified'), body])
}

/** All that the store has of an account. */
function kept ({ engine }: AdminApiFixture, account: string): string {
  return JSON.stringify((Object.keys(ID_FIELDS) as CollectionName[]).flatMap((name) => [...engine.documents(name)].filter(([, { customerId }]) => customerId === account)))
}

/** The requests of a walk through one operation: one for each scope that it has, and for each item of a list of things to do, which must not be in each other's way. */
function requestsFor (operation: typeof OPERATIONS[number], world: World): WalkRequest[] {
  const scopes = (operation.body?.properties['scope'] as { enum?: string[] } | undefined)?.enum ?? ['account']
  return scopes.flatMap((scope) => {
    const request = requestFor(operation, world, scope)
    const { items } = (request.body ?? {}) as { items?: unknown[] }
    if (!Array.isArray(items)) return [request]
    return items.map((item, index) => ({
      ...request, body: { ...request.body as object, items: [item] },
      references: request.references.flatMap((one) => one.name.startsWith(`items.${index}.`) ? [{ ...one, name: one.name.replace(/^items\.\d+/, 'items.0') }] : [])
    }))
  })
}

test('foreign ids: in every place of every operation, another account\'s id is answered like a missing one, and nothing of it is shown or changed', async (t) => {
  t.setTimeout(60_000)
  const api = await openAdminApi(t)
  const victim = await makeWorld(api, VICTIM)
  const own = await makeWorld(api, STRANGER)
  const tokens = { owner: await api.token(STRANGER, 'owner'), 'developer of one project': await api.token(STRANGER, 'developer', own.ids['projects']) }
  const before = kept(api, VICTIM)
  let places = 0
  let answers = 0
  for (const operation of OPERATIONS) {
    for (const request of requestsFor(operation, own)) {
      for (const reference of request.references) {
        places++
        const [foreign, missing] = [victim.ids[reference.kind] as string, missingLike(victim.ids[reference.kind] as string)]
        for (const [who, token] of Object.entries(tokens)) {
          for (const headers of reference.part === 'path' ? CONDITIONS : [{}]) {
            // A new name each time: what is there already must not be what tells the two apart.
            const [one, other] = [await sendWalk(api, led(request, reference, foreign), token, headers), await sendWalk(api, led(request, reference, missing), token, headers)]
            answers += 2
            const what = `${operation.id} ${reference.part} ${reference.name}, ${who} ${JSON.stringify(headers)}`
            const [theirs, nobodys] = [shapeOf(one, foreign, operation.method !== 'GET'), shapeOf(other, missing, operation.method !== 'GET')]
            if (theirs !== nobodys) t.fail(what, { theirs, nobodys })
            if (tagOf(VICTIM).test(one.text) || one.status >= 500) t.fail(`${what}: shows what is theirs`, { text: one.text })
            if (reference.part === 'path' && operation.body?.properties['items'] === undefined && ![403, 404].includes(one.status)) t.fail(`${what}: ${one.status}`, { text: one.text })
          }
        }
        if (kept(api, VICTIM) !== before) t.fail(`${operation.id} ${reference.part} ${reference.name} changed something of theirs`)
      }
    }
  }
  t.equal(kept(api, VICTIM), before)
  t.ok(places > OPERATIONS.length, `${places} places in ${OPERATIONS.length} operations, ${answers} answers`)
  t.comment(`${places} places in ${OPERATIONS.length} operations, ${answers} answers`)
})

test('foreign ids: the same requests with ids of the own account are good ones', async (t) => {
  t.setTimeout(60_000)
  const api = await openAdminApi(t)
  for (const [index, operation] of OPERATIONS.entries()) {
    const world = await makeWorld(api, `own-${index}`)
    const owner = await api.token(world.account, 'owner')
    for (const request of requestsFor(operation, world)) {
      let answer = await sendWalk(api, request, owner)
      if (answer.status === 403) answer = await sendWalk(api, request, undefined)
      const { status, body, text } = answer
      const malformed = status === 400 && body?.error.details['reason'] === 'invalid_fields'
      if (status >= 500 || status === 404 || malformed) t.fail(`${operation.id}: ${status}`, { text, request })
      else t.ok(status < 300 || operation.errors?.includes(body.error.code as never) === true, `${operation.id}: ${status} ${status < 300 ? '' : text}`)
    }
  }
})

test('foreign ids: no list shows anything of another account, wherever its cursor points and whatever is searched for', async (t) => {
  const api = await openAdminApi(t)
  const victim = await makeWorld(api, VICTIM)
  await makeWorld(api, STRANGER)
  const token = await api.token(STRANGER, 'owner')
  let lists = 0
  for (const operation of OPERATIONS.filter(({ query }) => query?.properties['cursor'] !== undefined)) {
    const world: World = { account: STRANGER, ids: (await makeWorld(api, `${STRANGER}-${lists++}`)).ids }
    const request = requestFor(operation, world)
    const needed = Object.fromEntries(Object.entries(request.query).filter(([name]) => ((operation.query as { required?: string[] }).required ?? []).includes(name)))
    const ends = ['', ...Object.values(victim.ids), '0', 'zzzz', missingLike(VICTIM)].map((id) => Buffer.from(id).toString('base64url'))
    const owner = await api.token(`${STRANGER}-${lists - 1}`, 'owner')
    const queries: readonly Readonly<Record<string, string>>[] = [...ends.map((cursor) => ({ cursor })), { search: 'of' }, { search: VICTIM }, { perPage: '100', sort: 'created_at', order: 'desc' }, { customer_id: `${VICTIM},${STRANGER}` }, { name: `of-${VICTIM}.example` }, { target_id: victim.ids['projects'] ?? '' }]
    for (const query of queries) {
      const { status, text } = await sendWalk(api, { ...request, query: { ...needed, ...query } }, owner)
      if (status !== 200) t.equal(status, 400, `${operation.id} ${JSON.stringify(query)}: ${text}`)
      if (tagOf(VICTIM).test(text) || text.includes(`"customer_id":"${VICTIM}"`) || Object.values(victim.ids).some((id) => id !== VICTIM && text.includes(`"${id}"`))) t.fail(`${operation.id} ${JSON.stringify(query)}`, { text })
    }
  }
  t.ok(lists >= 10, `${lists} lists`)
  t.ok((await api.ask('GET', '/admin/projects', { token })).text.includes(STRANGER))
})

test('foreign ids: an Idempotency-Key of one account is not that of another', async (t) => {
  const api = await openAdminApi(t)
  const secrets: string[] = []
  for (const account of [VICTIM, STRANGER]) {
    await api.account(account)
    const { status, headers, body } = await api.ask('POST', '/', { token: await api.token(account, 'owner'), body: { target_url: 'https://x.example' }, headers: { 'idempotency-key': 'one' } })
    t.equal(status, 201)
    t.equal(headers.get('idempotent-replay'), null)
    t.equal((body['project'] as unknown as { customer_id: string }).customer_id, account)
    secrets.push(body['api_key'] as unknown as string)
  }
  t.not(secrets[0], secrets[1])
})
