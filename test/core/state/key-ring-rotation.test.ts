import { test, type Test } from 'tap'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { checkKeyRing, rememberKeyRing } from '../../../core/state/key-ring-check.js'
import { kindOf, withNewestActive, withoutKey, withPreparedKey } from '../../../core/state/key-ring-edit.js'
import { newRingContent } from '../../../core/state/key-ring-text.js'
import { createKeyRing, keyIdOf, type KeyRing, type RingContent } from '../../../core/state/key-ring.js'
import type { Credential, Sealed } from '../../../core/state/records.js'
import { countKeyUse, resealStore } from '../../../core/state/reseal.js'
import { openMongoEngine } from '../../../core/state/mongodb-engine.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import type { OpenStore } from '../../../core/state/store.js'
import { mongoDatabase } from '../../fixtures/mongo-database.js'
import { service } from '../../fixtures/services.js'
import { credential, secret } from '../../fixtures/store-records.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const PLACE = { collection: 'credentials', field: 'secret' }

type Engine = 'embedded' | 'mongodb'

const { url, skip } = service('mongodb')

const ENGINES: readonly { engine: Engine, skip: string | false }[] = [{ engine: 'embedded', skip: false }, { engine: 'mongodb', skip }]

async function openStore (t: Test, engine: Engine = 'embedded'): Promise<OpenStore> {
  const store = openDocumentStore(engine === 'embedded'
    ? await openSqliteEngine({ path: tempDir(t) })
    : await openMongoEngine({ url: url ?? '', database: mongoDatabase(t, url ?? '') }))
  t.teardown(() => store.close())
  return store
}

function ringOf (content: RingContent): KeyRing {
  return createKeyRing(() => content)
}

async function insert ({ store }: OpenStore, ring: KeyRing, customerId: string, id: string, given: Partial<Credential> = {}): Promise<Credential> {
  return store.credentials.insert(customerId, credential(id, { ...ring.digest(id), secret: ring.seal(customerId, PLACE, `secret of ${id}`), ...given }))
}

async function all ({ system }: OpenStore): Promise<Credential[]> {
  const found: Credential[] = []
  for await (const batch of system.readAll('credentials')) found.push(...batch)
  return found
}

test('key-ring-edit: a key is prepared, then used; the active one can not be taken out', (t) => {
  const first = newRingContent()
  const prepared = withPreparedKey(first, 'encryption')
  t.equal(prepared.encryption.active, first.encryption.active)
  t.equal(prepared.encryption.keys.length, 2)
  t.equal(prepared.peppers, first.peppers)
  const next = withNewestActive(prepared, 'encryption')
  t.equal(next.encryption.active, prepared.encryption.keys[1]!.id)
  t.equal(next.encryption.keys.length, 2, 'the one that was prepared is used')
  const third = withNewestActive(next, 'encryption')
  t.equal(third.encryption.active, third.encryption.keys[2]!.id)
  t.equal(withoutKey(third, third.encryption.active), null)
  t.equal(withoutKey(third, 'other'), null)
  t.strictSame(withoutKey(third, first.encryption.active)?.encryption.keys, third.encryption.keys.slice(1))
  t.strictSame([kindOf(third, first.peppers.active), kindOf(third, first.encryption.active), kindOf(third, 'other')], ['peppers', 'encryption', null])
  t.end()
})

for (const { engine, skip } of ENGINES) {
  test(`reseal (${engine}): seals every value anew for its own tenant and leaves the rest of the record`, { skip }, async (t) => {
    const content = newRingContent()
    const old = ringOf(content)
    const ring = ringOf(withNewestActive(content, 'encryption'))
    const store = await openStore(t, engine)
    const before: Credential[] = []
    for (let index = 0; index < 120; index++) before.push(await insert(store, old, `acme${index % 3}`, `k${String(index).padStart(3, '0')}`, index % 10 === 0 ? { secret: null } : {}))
    t.strictSame([...await countKeyUse(store.system)].sort(), [[content.encryption.active, 108], [content.peppers.active, 120]].sort())
    const progress: number[] = []
    const result = await resealStore(store, ring, ({ resealed }) => { progress.push(resealed) })
    t.match(result, { resealed: 108, unopened: [] })
    t.equal(progress.at(-1), 108)
    const after = await all(store)
    t.equal(after.length, 120)
    for (const record of after) {
      const { secret, rev, updated_at: _, ...rest } = record
      const { secret: secretBefore, rev: revBefore, updated_at: __, ...restBefore } = before.find((one) => one.credential_id === record.credential_id)!
      t.strictSame(rest, restBefore)
      t.equal(rev, secretBefore === null ? revBefore : revBefore + 1)
      if (secret === null) continue
      t.equal(keyIdOf(secret), ring.content().encryption.active)
      t.equal(ring.open(record.customer_id, PLACE, secret), `secret of ${record.credential_id}`)
    }
    t.match(await resealStore(store, ring), { resealed: 0, unopened: [] }, 'a second time there is nothing to do')
    t.strictSame([...await countKeyUse(store.system)].sort(), [[ring.content().encryption.active, 108], [content.peppers.active, 120]].sort())
  })

  test(`reseal (${engine}): a record that changes meanwhile keeps its change, and one that goes stays gone`, { skip }, async (t) => {
    const content = newRingContent()
    const old = ringOf(content)
    const ring = ringOf(withNewestActive(content, 'encryption'))
    const store = await openStore(t, engine)
    for (const id of ['changed', 'gone', 'sealed', 'late', 'quiet']) await insert(store, old, 'acme', id)
    let passes = 0
    const busy: Pick<OpenStore, 'store' | 'system'> = {
      store: store.store,
      system: {
        ...store.system,
        // Others write between the reading of a record and the writing of it.
        async * readAll (collection) {
          for await (const batch of store.system.readAll(collection)) {
            if (passes++ === 0) {
              const { credentials } = store.store
              for (const name of ['first', 'second']) await credentials.replace('acme', { ...(await credentials.get('acme', 'changed'))!, name })
              await credentials.remove('acme', 'gone')
              await credentials.replace('acme', { ...(await credentials.get('acme', 'sealed'))!, secret: old.seal('acme', PLACE, 'another secret') })
            }
            yield batch
            if (passes === 1) await insert(store, old, 'acme', 'later')
          }
        }
      }
    }
    t.match(await resealStore(busy, ring), { resealed: 5, unopened: [] })
    const after = new Map((await all(store)).map((record) => [record.credential_id, record]))
    t.strictSame([...after.keys()].sort(), ['changed', 'late', 'later', 'quiet', 'sealed'])
    t.equal(after.get('changed')?.name, 'second')
    t.equal(ring.open('acme', PLACE, after.get('sealed')!.secret!), 'another secret')
    for (const { secret } of after.values()) t.equal(ring.needsRotation(secret!), false)
  })
}

test('reseal: the secrets of projects are sealed anew too, and count as uses of their key', async (t) => {
  const content = newRingContent()
  const old = ringOf(content)
  const ring = ringOf(withNewestActive(content, 'encryption'))
  const { store, system } = await openStore(t)
  const place = { collection: 'secrets', field: 'value' }
  for (const [id, projectId] of [['s1', null], ['s2', 'shop']] as const) await store.secrets.insert('acme', secret(id, { project_id: projectId, value: old.seal('acme', place, `value of ${id}`) }))
  t.strictSame([...await countKeyUse(system)], [[content.encryption.active, 2]])
  t.match(await resealStore({ store, system }, ring), { resealed: 2, unopened: [] })
  for (const { secret_id: id, value, version } of await store.secrets.list('acme', { limit: 10 })) {
    t.strictSame([keyIdOf(value), ring.open('acme', place, value), version], [ring.content().encryption.active, `value of ${id}`, 1])
    t.throws(() => ring.open('other', place, value), { name: 'KeyRingError', message: /was sealed for another tenant or place/ }, 'it is the tenant\'s')
    t.throws(() => ring.open('acme', PLACE, value), { name: 'KeyRingError', message: /was sealed for another tenant or place/ }, 'and of this field')
  }
})

test('reseal: what can not be opened is told and stays, and the rest is done', async (t) => {
  const content = newRingContent()
  const old = ringOf(content)
  const ring = ringOf(withNewestActive(content, 'encryption'))
  const store = await openStore(t)
  await insert(store, old, 'acme', 'good')
  await insert(store, old, 'acme', 'moved', { secret: old.seal('other', PLACE, 'x') })
  await insert(store, ringOf(newRingContent()), 'acme', 'unknown')
  await insert(store, old, 'acme', 'plain', { secret: 'canary-plain-text' as Sealed })
  const { resealed, unopened } = await resealStore(store, ring)
  t.equal(resealed, 1)
  t.strictSame(unopened.map(({ id, collection, field }) => `${collection}.${id}.${field}`).sort(), ['credentials.moved.secret', 'credentials.plain.secret', 'credentials.unknown.secret'])
  t.notMatch(JSON.stringify(unopened), 'canary')
})

test('reseal: a revoked key needs its pepper no more, an expired one does', async (t) => {
  const content = newRingContent()
  const ring = ringOf(content)
  const store = await openStore(t)
  await insert(store, ring, 'acme', 'revoked', { status: 'revoked', secret: null })
  t.strictSame([...await countKeyUse(store.system)], [])
  await insert(store, ring, 'acme', 'expired', { expires_at: '2020-01-01T00:00:00.000Z', secret: null })
  t.strictSame([...await countKeyUse(store.system)], [[content.peppers.active, 1]])
})

test('key-ring-check: a store knows its ring, also after a rotation, and refuses another', async (t) => {
  const content = newRingContent()
  const store = await openStore(t)
  await Promise.all([1, 2, 3].map(() => checkKeyRing(store.system, ringOf(content))))
  await checkKeyRing(store.system, ringOf(content))
  const other = newRingContent()
  await t.rejects(checkKeyRing(store.system, ringOf(other)), { name: 'WrongKeyRingError', message: /does not belong to this store: the key ring has no key enc_/, remedy: /^bring that ring back/ })
  await t.rejects(checkKeyRing(store.system, ringOf({ ...content, peppers: other.peppers })), /it has no pepper pep_/)
  const sameNames = { ...content, encryption: { active: content.encryption.active, keys: [{ ...other.encryption.keys[0]!, id: content.encryption.active }] } }
  await t.rejects(checkKeyRing(store.system, ringOf(sameNames)), /another key that was called enc_/)
  await t.rejects(rememberKeyRing(store.system, ringOf(other)), { name: 'WrongKeyRingError' })
  const next = withNewestActive(withNewestActive(content, 'encryption'), 'peppers')
  await rememberKeyRing(store.system, ringOf(next))
  const retired = withoutKey(withoutKey(next, content.encryption.active)!, content.peppers.active)!
  await checkKeyRing(store.system, ringOf(retired))
  await t.rejects(checkKeyRing(store.system, ringOf(content)), { name: 'WrongKeyRingError' }, 'a node that has not got the new ring')
})

test('key-ring-check: a store that was restored is refused with a ring that its keys were not made with', async (t) => {
  const content = newRingContent()
  const store = await openStore(t)
  await insert(store, ringOf(content), 'acme', 'k1')
  await t.rejects(checkKeyRing(store.system, ringOf(newRingContent())), /keys in it were made with the pepper pep_\w+, which is not in the ring/)
  t.equal(await store.system.getMeta('key_ring'), null)
  await checkKeyRing(store.system, ringOf(content))
})
