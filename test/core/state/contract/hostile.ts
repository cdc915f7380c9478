import { InvalidValueError } from '../../../../core/state/store-errors.js'
import type { Condition } from '../../../../core/state/store.js'
import { consumer, plan } from '../../../fixtures/store-records.js'
import type { Register } from './register.js'

const HOSTILE = [
  '$ne', '{"$ne":null}', '$where', '__proto__', 'constructor', 'a.b', '$.a', 'a$b.c', "' OR 1=1 --", '"; DROP TABLE docs; --', '%', '_', '.*', '^(a+)+$', '\\', '\'', '"', '`', '\u0000', 'a\u0000b',
  '\u2028', '\ufeff', '\u202e', '\uffff', 'é', 'e\u0301', '💥', '\n', ' ', '', 'null', 'true', '1', 'NaN', '${x}', '{{x}}', '🇩🇪'.repeat(50), 'x'.repeat(1_000_000)
]

/** A text in a title: its beginning, in ASCII. */
export function shown (text: unknown): string {
  return (JSON.stringify(text) ?? 'undefined').slice(0, 30).replace(/[^ -~]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

/** What hostile callers may try to have kept, found or asked. */
export function hostile (contract: Register): void {
  contract('hostile text comes back as it was, as a value and as a key, and is found', async (t, open) => {
    const { store } = await open()
    for (const [index, text] of HOSTILE.entries()) {
      const key = text.includes('\0') || text.length > 1_000 ? 'key' : text
      const metadata = JSON.parse(`{"list":[${JSON.stringify(text)}],${JSON.stringify(key)}:{"$gt":""}}`) as Record<string, unknown>
      const kept = await store.consumers.insert('acme', consumer(`c${index}`, { name: text, metadata }))
      const back = await store.consumers.get('acme', `c${index}`)
      t.equal(JSON.stringify(back), JSON.stringify(kept), `kept: ${shown(text)}`)
      t.equal(back?.name, text)
      t.equal(JSON.stringify(back?.metadata), JSON.stringify(metadata), `as JSON: ${shown(text)}`)
      t.same((await store.consumers.list('acme', { filter: { name: { eq: text } }, limit: 10 })).map(({ consumer_id: id }) => id), [`c${index}`], `found: ${shown(text)}`)
      const next = await store.consumers.replace('acme', { ...kept, status: 'inactive' })
      t.equal(JSON.stringify(await store.consumers.get('acme', `c${index}`)), JSON.stringify(next), `replaced: ${shown(text)}`)
    }
    t.equal(await store.consumers.count('acme'), HOSTILE.length)
    t.equal(({} as Record<string, unknown>)['$gt'], undefined, 'no prototype was reached')
    for (const text of ['$ne', '.*', '^(a+)+$', 'a.b', '\\', '%', "' OR 1=1 --"]) {
      t.same((await store.consumers.list('acme', { filter: { name: { contains: text } }, limit: 10 })).map(({ name }) => name).includes(text), true, `contained: ${text}`)
    }
  })

  contract('hostile ids and tenants are ids like others, or none', async (t, open) => {
    const { store } = await open()
    const ids = HOSTILE.filter((text) => text !== '' && text.length <= 512 && !text.includes('\0'))
    for (const id of ids) {
      await store.consumers.insert('acme', consumer(id, { name: 'n' }))
      t.equal((await store.consumers.get('acme', id))?.consumer_id, id, shown(id))
      await store.plans.insert(id, plan(id))
      t.same((await store.plans.list(id, { limit: 10 })).map(({ plan_id: own }) => own), [id], `its own alone: ${shown(id)}`)
    }
    t.equal(await store.consumers.count('acme'), ids.length)
    const used = { project_id: 'shop', credential_id: 'k1', day: '2026-11-26', requests: 1, errors: 0 }
    await store.usage.add('a', [used])
    const notIds: unknown[] = ['', '\0', 'a\0b', '\ud800', 'a\udc00', 'x'.repeat(513), { $ne: null }, { $gt: '' }, ['acme'], 1, null, undefined, true]
    for (const id of notIds as string[]) {
      t.equal(await store.consumers.get('acme', id), null, `get: ${shown(id)}`)
      t.equal(await store.consumers.get(id, 'a.b'), null)
      t.equal(await store.consumers.remove('acme', id), false)
      t.equal(await store.consumers.remove(id, 'a.b'), false)
      t.same(await store.consumers.list(id, { limit: 10 }), [])
      t.equal(await store.consumers.count(id), 0)
      await t.rejects(store.consumers.insert('acme', consumer(id, { name: 'n' })), { name: 'InvalidValueError' }, `insert: ${shown(id)}`)
      await t.rejects(store.consumers.insert(id, consumer('fresh')), { name: 'InvalidValueError' })
      await t.rejects(store.usage.add(id, [used]), { name: 'InvalidValueError' }, `usage: ${shown(id)}`)
      await t.rejects(store.usage.add('a', [used, { ...used, credential_id: id }]), { name: 'InvalidValueError' })
      t.same(await store.usage.days(id, {}, '2026-01-01', '2026-12-31'), [])
    }
    t.same(await store.usage.days('a\0b', {}, '2026-01-01', '2026-12-31'), [])
    t.same(await store.usage.days('a', {}, '2026-01-01', '2026-12-31'), [used], 'nothing was added to what looks alike')
    t.equal(await store.consumers.count('acme'), ids.length)
  })

  contract('what an engine would not give back as it was is refused', async (t, open) => {
    const { store } = await open()
    let deep: unknown = 1
    for (let level = 0; level < 5_000; level++) deep = [deep]
    const cases: [string, Record<string, unknown>][] = [
      ['half a character', { a: 'x\ud800' }], ['half a character in a key', { 'x\udfff': 1 }], ['NUL in a key', { 'a\0b': 1 }], ['5 000 levels', { deep }],
      ['NaN', { n: NaN }], ['Infinity', { n: [Infinity] }], ['a bigint', { n: 1n }], ['a function', { f: () => 1 }], ['a date', { d: new Date(0) }], ['bytes', { b: Buffer.from('x') }],
      ['a map', { m: new Map() }], ['3 MB', { text: 'x'.repeat(3_000_000) }]
    ]
    for (const [title, metadata] of cases) {
      await t.rejects(store.consumers.insert('acme', consumer('c1', { metadata })), { name: 'InvalidValueError', collection: 'consumers' }, title)
    }
    const kept = await store.consumers.insert('acme', consumer('c1', { metadata: { a: undefined, b: 1 } }))
    t.strictSame(kept.metadata, { b: 1 }, 'what is undefined is absent')
    for (const [title, metadata] of cases) await t.rejects(store.consumers.replace('acme', { ...kept, metadata }), { name: 'InvalidValueError' }, `${title}: replaced`)
    t.strictSame(await store.consumers.get('acme', 'c1'), kept)
    let level60: unknown = 'bottom'
    for (let level = 0; level < 60; level++) level60 = level % 2 === 0 ? { a: level60 } : [level60]
    await store.consumers.insert('acme', consumer('c2', { metadata: { level60 } }))
    t.same((await store.consumers.get('acme', 'c2'))?.metadata, { level60 }, '60 levels come back')
  })

  contract('a condition that is an operator of a database, or a field that is an expression, is refused', async (t, open) => {
    const { store } = await open()
    await store.consumers.insert('acme', consumer('c1'))
    const conditions: unknown[] = [{ $ne: null }, { $gt: '' }, { eq: { $ne: null } }, { eq: ['c1'] }, { in: [{ $ne: 1 }] }, { in: 'c1' }, { contains: { $regex: '.' } }, { contains: 'c', alsoIn: ['$where'] }, { contains: 'c', alsoIn: ["name') OR 1=1 --"] }, { contains: 'c', alsoIn: 'name' }, { contains: 'c', alsoIn: [{ $ne: 1 }] }, { contains: 1, alsoIn: ['name'] }, { eq: 'c', alsoIn: ['name'] }, { alsoIn: ['name'] }, { gt: { $gt: 1 } }, { gt: null }, { eq: 'c1', $where: '1' }, {}, null, 'c1', { eq: NaN }, { eq: '\ud800' }, { gt: 'a\0' }, { __proto__: { eq: 'c1' } }]
    for (const condition of conditions) {
      const filter = { name: condition as Condition }
      await t.rejects(store.consumers.list('acme', { filter, limit: 10 }), { name: 'InvalidValueError' }, shown(condition))
      await t.rejects(store.consumers.count('acme', filter), { name: 'InvalidValueError' })
    }
    for (const field of ['$where', 'a.b', "name') OR 1=1 --", 'metadata.a', '__proto__', '', 'x'.repeat(65)]) {
      const filter = JSON.parse(`{${JSON.stringify(field)}:{"eq":"c1"}}`) as Record<string, Condition>
      await t.rejects(store.consumers.list('acme', { filter, limit: 10 }), InvalidValueError, `filter: ${field}`)
      await t.rejects(store.consumers.list('acme', { sort: [{ field: field as 'name' }], limit: 10 }), InvalidValueError, `sort: ${field}`)
    }
  })

  contract('a record that was given, and one that was got, can be changed without effect', async (t, open) => {
    const { store } = await open()
    const metadata = { list: [1] }
    const kept = await store.consumers.insert('acme', consumer('c1', { metadata }))
    metadata.list.push(2)
    ;((await store.consumers.get('acme', 'c1'))?.metadata as typeof metadata).list.push(3)
    t.same(kept.metadata, { list: [1] })
    t.same((await store.consumers.get('acme', 'c1'))?.metadata, { list: [1] })
  })
}
