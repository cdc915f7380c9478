import { test, type Test } from 'tap'
import type { TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { openDocumentStore } from '../../../core/state/document-store.js'
import type { DocumentEngine } from '../../../core/state/document-engine.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { ID_FIELDS, type CollectionName } from '../../../core/state/records.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi } from '../../fixtures/admin-api.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { makeWorld, requestFor, sendWalk, type WalkRequest } from '../../fixtures/operation-walk.js'
import { service } from '../../fixtures/services.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const mongodb = service('mongodb')
const ENGINES: readonly { name: string, skip: string | false, open (t: Test): Promise<DocumentEngine> }[] = [
  { name: 'the embedded store', skip: false, open: (t) => openSqliteEngine({ path: tempDir(t) }) },
  { name: 'MongoDB', skip: mongodb.skip, open: (t) => openMongoEngine({ url: mongodb.url ?? '', database: mongoDatabase(t, mongodb.url ?? ''), timeoutMs: 10_000 }) }
]

/** Of every type, and what databases and languages take for more than a value. */
const VALUES: readonly unknown[] = [
  null, 0, -1, 1.5, 1e300, true, false, '', [], {}, [[]], [null], { $ne: null }, { $gt: '' }, { $where: 'sleep(1000)' }, { $regex: '^(a+)+$' }, [{ $ne: 1 }], { a: { b: 1 } }, '$ne', '$where', '{"$ne":null}', 'a.b', '__proto__', '\' OR 1=1 --', 'a\nb',
  'x'.repeat(5_000), 'a\0b', '\ud800'
]
/** Ids in paths, as they are sent. */
const IDS = ['%24ne', '%7B%22%24ne%22%3Anull%7D', '[object Object]', '__proto__', 'constructor', '..%2Faccounts', '%00', 'a%00b', '%ff', '%F0%9F%92%A5', '%27%20OR%201%3D1', '*', '%2a', '.', 'x'.repeat(2_000), '$where', 'a.b', '%5E(a%2B)%2B%24', 'true', 'null', '0']
const QUERIES = ['id[$gt]=', 'customer_id[$ne]=x', 'customer_id[]=x', 'customer_id.$ne=x', '$where=1', 'filter={"$ne":1}', 'sort=$natural', 'sort=__proto__', 'sort=metadata.a', 'fields=digest', 'fields=$where', 'search=%00', 'perPage[$gt]=1', 'cursor[$gt]=', 'page=1e9', 'page=9999999999999', 'customer_id=a&customer_id=b', '__proto__[a]=1', 'constructor.prototype.a=1']
/** Searched for as they are. */
const SEARCHES = ['.*', '^(a+)+$', '(a|a)*b', '$where', '%', 'o_-acme', 'o%acme', '\\', '[', '\'; DROP TABLE documents; --', '*', '{"$ne":null}']

async function everything ({ system }: OpenStore): Promise<string> {
  const kept: unknown[] = []
  for (const name of (Object.keys(ID_FIELDS) as CollectionName[]).filter((one) => one !== 'audit_records')) for await (const piece of system.readAll(name)) kept.push(piece)
  return JSON.stringify(kept)
}

/** The fields of a schema, one level deep in maps and lists. */
function fieldsOf (schema: TSchema, at: readonly string[] = []): { path: readonly string[], schema: TSchema }[] {
  return Object.entries((schema as { properties?: Record<string, TSchema> }).properties ?? {}).flatMap(([name, one]) => [{ path: [...at, name], schema: one }, ...at.length > 2 ? [] : fieldsOf(one, [...at, name])])
}

function put (value: unknown, [key = '', ...rest]: readonly string[], what: unknown): unknown {
  return { ...value as object, [key]: rest.length === 0 ? what : put((value as Record<string, unknown> | null)?.[key] ?? {}, rest, what) }
}

for (const { name, skip, open } of ENGINES) {
  test(`bad input: wrong types, operators and hostile texts in every field of every operation are refused, on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    const store = openDocumentStore(await open(t))
    t.teardown(() => store.close())
    const api = await openAdminApi(t, { open: store })
    const world = await makeWorld(api, 'acme')
    const before = await everything(store)
    let sent = 0
    const refused = async (request: WalkRequest, what: string): Promise<void> => {
      const { status, body, text } = await sendWalk(api, request, undefined)
      sent++
      if (status !== 400 || body?.error?.code !== 'VALIDATION_ERROR') t.fail(`${request.operation.id} ${what}: ${status}`, { text: text.slice(0, 300) })
    }
    for (const operation of OPERATIONS.filter(({ body }) => body !== undefined)) {
      const request = requestFor(operation, world)
      for (const { path, schema } of fieldsOf(operation.body!)) {
        for (const value of VALUES) {
          // Half a character and NUL are no text, whatever a schema says.
          const text = JSON.stringify(value)
          if (!/\\u0000|\\ud800/.test(text) && Value.Check(schema, value)) continue
          await refused({ ...request, body: put(request.body, path, value) }, `${path.join('.')} = ${text.slice(0, 60)}`)
        }
      }
      for (const body of ['null', '[]', '"text"', '1', 'true', '{', '[{"$ne":1}]', '\u0000{}']) await refused({ ...request, body }, body)
    }
    t.equal(await everything(store), before, 'nothing was changed')
    t.ok(sent > 2_000, `${sent} requests`)
    t.strictSame(api.logged.filter(({ level }) => level === 'error'), [])
  })

  test(`bad input: ids, filters and searches mean what they say and nothing else, on ${name}`, { skip }, async (t) => {
    t.setTimeout(120_000)
    const store = openDocumentStore(await open(t))
    t.teardown(() => store.close())
    const api = await openAdminApi(t, { open: store })
    const world = await makeWorld(api, 'acme')
    await makeWorld(api, 'umbrella')
    const before = await everything(store)
    for (const operation of OPERATIONS.filter(({ url }) => url.includes(':id'))) {
      const request = requestFor(operation, world)
      for (const id of IDS) {
        const path = operation.url.replace(':id', id).replace(/:(\w+)/, (_, param: string) => request.params[param] ?? '')
        const { status, text } = await api.ask(operation.method, path, operation.method === 'GET' || operation.method === 'DELETE' ? {} : { body: request.body })
        if (![400, 404, 405, 414].includes(status)) t.fail(`${operation.id} ${id.slice(0, 40)}: ${status}`, { text })
      }
    }
    for (const operation of OPERATIONS.filter(({ query }) => query?.properties['cursor'] !== undefined)) {
      const { query, ...request } = requestFor(operation, world)
      const needed = Object.fromEntries(Object.entries(query).filter(([one]) => (operation.query as { required?: string[] }).required?.includes(one)))
      const path = operation.url.replace(':id', request.params['id'] ?? '')
      for (const one of QUERIES) {
        const { status, body } = await api.ask('GET', `${path}?${new URLSearchParams(needed).toString()}&${one}`)
        if (status !== 400 || body?.error?.code !== 'VALIDATION_ERROR') t.fail(`${operation.id}?${one}: ${status}`)
      }
      if (operation.query?.properties['search'] === undefined) continue
      for (const search of SEARCHES) {
        const from = performance.now()
        const { status, body } = await sendWalk(api, { ...request, query: { ...needed, search } }, undefined)
        // No name holds one of them: nothing but the text itself is looked for.
        if (status !== 200 || body.data.length > 0) t.fail(`${operation.id}?search=${search}`, { status, data: body.data })
        if (performance.now() - from > 5_000) t.fail(`${operation.id}?search=${search} took ${performance.now() - from} ms`)
      }
      for (const filter of Object.entries(operation.query?.properties ?? {}).filter(([one]) => one.endsWith('_id')).map(([one]) => one)) {
        for (const value of ['$ne', '{"$ne":null}', '[object Object]', '*', '.*', '%']) {
          const { status, body } = await sendWalk(api, { ...request, query: { ...needed, [filter]: value } }, undefined)
          if (status === 200 ? body.data.length > 0 : ![400, 404].includes(status)) t.fail(`${operation.id}?${filter}=${value}: ${status}`)
        }
      }
    }
    t.equal(await everything(store), before, 'nothing was changed')
    t.strictSame(api.logged.filter(({ level }) => level === 'error'), [])
  })
}

test('bad input: bodies that are too large, too deep, no UTF-8, compressed or of another type are refused, and the port goes on', async (t) => {
  const api = await openAdminApi(t)
  const json = { 'content-type': 'application/json', authorization: 'Bearer sat_for-tests-0123456789' }
  const send = async (method: string, path: string, body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string> = {}): Promise<number> => {
    try {
      const answer = await fetch(`${api.url}${path}`, { method, headers: { ...json, ...headers }, body })
      await answer.text()
      return answer.status
    } catch {
      return 0 // closed in the middle of the body
    }
  }
  const bytes = (...parts: (string | number[])[]): Uint8Array<ArrayBuffer> => new Uint8Array(Buffer.concat(parts.map((part) => Buffer.from(part as string))))
  const world = await makeWorld(api, 'acme')
  for (const operation of OPERATIONS.filter(({ body, takesText }) => body !== undefined || takesText === true)) {
    const path = operation.url.replace(/:(\w+)/g, (_, name: string) => requestFor(operation, world).params[name] ?? '')
    const { method, id, takesText } = operation
    const large = await send(method, path, `{"name":"${'x'.repeat(10 * 1024 * 1024)}"}`)
    t.ok([413, 0].includes(large), `${id}: 10 MB: ${large}`)
    for (const [what, body] of [
      ['deep lists', `{"name":${'['.repeat(20_000)}${']'.repeat(20_000)}}`], ['deep maps', `${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}`], ['no UTF-8', bytes('{"name":"', [0xff, 0xfe], '"}')], ['overlong', bytes('{"name":"', [0xc0, 0x80], '"}')],
      ['a surrogate in UTF-8', bytes('{"name":"', [0xed, 0xa0, 0x80], '"}')], ['UTF-16', new Uint8Array(Buffer.from('{"name":"x"}', 'utf16le'))], ['NUL', '{"name":"a\\u0000b"}'], ['NUL in a key', '{"a\\u0000b":1}'], ['a bare NUL', '{"name":"a\0b"}'],
      ['__proto__', '{"__proto__":{"role":"operator"}}'], ['a deep __proto__', '{"metadata":{"__proto__":{"role":"operator"}}}'], ['NaN', '{"name":NaN}'], ['Infinity', '{"name":1e999}'], ['half of it', '{"name":"x"']
    ] as const) {
      // What reads configurations here stands in for what refuses it.
      if (takesText === true && what === 'Infinity') continue
      const status = await send(method, path, body)
      t.ok(status === 400, `${id}: ${what}: ${status}`)
    }
    for (const [type, encoding] of [['text/plain', ''], ['application/x-www-form-urlencoded', ''], ['multipart/form-data; boundary=x', ''], ['application/json', 'gzip'], ['application/xml', ''], ['', '']] as const) {
      const status = await send(method, path, encoding === 'gzip' ? bytes([0x1f, 0x8b, 8, 0, 0, 0, 0, 0]) : 'name=x', { 'content-type': type, ...encoding === '' ? {} : { 'content-encoding': encoding } })
      t.ok([400, 415].includes(status), `${id}: ${type} ${encoding}: ${status}`)
    }
  }
  t.equal((await api.ask('GET', '/admin/projects')).status, 200)
  t.equal(({} as Record<string, unknown>)['role'], undefined)
  t.strictSame(api.logged.filter(({ level }) => level === 'error'), [])
})
