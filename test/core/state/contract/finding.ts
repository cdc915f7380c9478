import type { Condition } from '../../../../core/state/store.js'
import { configVersion, consumer, credential, user } from '../../../fixtures/store-records.js'
import type { Register } from './register.js'

/** Lists, counts and conditions. */
export function finding (contract: Register): void {
  contract('a list is sorted by its fields in turn and then by id, from an offset, up to a limit', async (t, open) => {
    const { store } = await open()
    const given: [string, string, 'active' | 'inactive', unknown][] = [['c4', 'b', 'active', 2], ['c1', 'b', 'inactive', 10], ['c3', 'a', 'active', 1], ['c2', 'a', 'inactive', 3], ['c5', 'B', 'active', 4]]
    for (const [id, name, status, rank] of given) await store.consumers.insert('acme', consumer(id, { name, status, metadata: { rank } }))
    await store.consumers.insert('other', consumer('c0'))
    const ids = async (query: Parameters<typeof store.consumers.list>[1]): Promise<string[]> => (await store.consumers.list('acme', query)).map(({ consumer_id: id }) => id)
    t.same(await ids({ limit: 10 }), ['c1', 'c2', 'c3', 'c4', 'c5'])
    t.same(await ids({ limit: 10, sort: [{ field: 'name' }] }), ['c5', 'c2', 'c3', 'c1', 'c4'], 'as bytes')
    t.same(await ids({ limit: 10, sort: [{ field: 'name', descending: true }] }), ['c1', 'c4', 'c2', 'c3', 'c5'], 'the id is not turned round')
    t.same(await ids({ limit: 10, sort: [{ field: 'status' }, { field: 'name', descending: true }] }), ['c4', 'c3', 'c5', 'c1', 'c2'])
    t.same(await ids({ limit: 10, sort: [{ field: 'consumer_id', descending: true }] }), ['c5', 'c4', 'c3', 'c2', 'c1'])
    t.same(await ids({ limit: 2, offset: 1 }), ['c2', 'c3'])
    t.same(await ids({ limit: 10, offset: 4 }), ['c5'])
    t.same(await ids({ limit: 10, offset: 5 }), [])
    t.equal((await ids({ limit: 0 })).length, 1, 'a limit is 1 at least')
    for (let index = 10; index < 60; index++) await store.consumers.insert('acme', consumer(`d${index}`))
    t.equal((await ids({ limit: 5_000 })).length, 55)
    t.equal(await store.consumers.count('acme'), 55)
  })

  contract('numbers sort as numbers, and what is null or absent comes first', async (t, open) => {
    const { store } = await open()
    for (const version of [10, 9, 100]) await store.config_versions.insert('acme', configVersion(`v${version}`, version, { comment: version === 9 ? null : `c${version}` }))
    const versions = async (field: 'version' | 'comment', descending: boolean): Promise<number[]> =>
      (await store.config_versions.list('acme', { limit: 10, sort: [{ field, descending }] })).map(({ version }) => version)
    t.same(await versions('version', false), [9, 10, 100])
    t.same(await versions('version', true), [100, 10, 9])
    t.same(await versions('comment', false), [9, 10, 100])
    t.same(await versions('comment', true), [100, 10, 9])
  })

  contract('a condition compares what it says, and type with type', async (t, open) => {
    const { store } = await open()
    const { expires_at: _, ...withoutEnd } = credential('k4', { require_signature: true, name: '100%' })
    for (const record of [credential('k1', { name: 'Ann_1', expires_at: '2026-01-01T00:00:00.000Z' }), credential('k2', { name: 'ann.2', expires_at: '2027-01-01T00:00:00.000Z', status: 'revoked' }), credential('k3', { name: null }), withoutEnd as ReturnType<typeof credential>]) {
      await store.credentials.insert('acme', record)
    }
    const cases: [string, Record<string, Condition>, string[]][] = [
      ['eq', { name: { eq: 'Ann_1' } }, ['k1']],
      ['eq with another case', { name: { eq: 'ann_1' } }, []],
      ['eq null: null and absent', { expires_at: { eq: null } }, ['k3', 'k4']],
      ['eq true', { require_signature: { eq: true } }, ['k4']],
      ['eq false', { require_signature: { eq: false } }, ['k1', 'k2', 'k3']],
      ['a number is no boolean', { require_signature: { eq: 1 } }, []],
      ['nor is a text', { require_signature: { eq: 'true' } }, []],
      ['a text is no number', { rev: { eq: '1' } }, []],
      ['eq number', { rev: { eq: 1 } }, ['k1', 'k2', 'k3', 'k4']],
      ['in', { status: { in: ['revoked', 'gone'] } }, ['k2']],
      ['in of several', { name: { in: ['ann.2', '100%', 'x'] } }, ['k2', 'k4']],
      ['in of booleans', { require_signature: { in: [true] } }, ['k4']],
      ['in of nothing', { status: { in: [] } }, []],
      ['gt', { expires_at: { gt: '2026-01-01T00:00:00.000Z' } }, ['k2']],
      ['gte', { expires_at: { gte: '2026-01-01T00:00:00.000Z' } }, ['k1', 'k2']],
      ['lt', { expires_at: { lt: '2027-01-01T00:00:00.000Z' } }, ['k1']],
      ['gte and lt', { expires_at: { gte: '2026-06-01T00:00:00.000Z', lte: '2027-01-01T00:00:00.000Z' } }, ['k2']],
      ['a bound of text takes no numbers', { rev: { gte: '' } }, []],
      ['a bound of numbers takes no text', { name: { gte: 0 } }, []],
      ['a bound of numbers takes no booleans', { require_signature: { gte: 0 } }, []],
      ['a bound on numbers', { rev: { gt: 0, lt: 1.5 } }, ['k1', 'k2', 'k3', 'k4']],
      ['contains, without case', { name: { contains: 'ANN' } }, ['k1', 'k2']],
      ['contains: . is a dot', { name: { contains: 'n.2' } }, ['k2']],
      ['contains: _ is a line', { name: { contains: 'n_' } }, ['k1']],
      ['contains: % is a percent sign', { name: { contains: '%' } }, ['k4']],
      ['contains: no pattern', { name: { contains: '.*' } }, []],
      ['contains nothing: every text', { name: { contains: '' } }, ['k1', 'k2', 'k4']],
      ['contains, in one of several fields', { name: { contains: 'ann', alsoIn: ['status', 'revoked_at'] } }, ['k1', 'k2']],
      ['contains, in another field', { name: { contains: 'CTIV', alsoIn: ['status'] } }, ['k1', 'k3', 'k4']],
      ['two searches hold together', { name: { contains: '_', alsoIn: ['status'] }, status: { contains: 'active', alsoIn: ['name'] } }, ['k1']],
      ['several hold together', { status: { eq: 'active' }, name: { contains: 'ann' } }, ['k1']],
      ['a field that no record has', { nothing: { eq: 'x' } }, []]
    ]
    for (const [title, filter, expected] of cases) {
      t.same((await store.credentials.list('acme', { filter, limit: 10 })).map(({ credential_id: id }) => id), expected, title)
      t.equal(await store.credentials.count('acme', filter), expected.length, `${title}: counted`)
    }
  })

  contract('a condition on the id or the tenant compares like any other', async (t, open) => {
    const { store, system } = await open()
    for (const id of ['a1', 'a2', 'B1', 'é']) await store.consumers.insert('acme', consumer(id))
    await store.consumers.insert('other', consumer('a3'))
    const cases: [string, Record<string, Condition>, string[]][] = [
      ['eq', { consumer_id: { eq: 'a1' } }, ['a1']], ['eq with another case', { consumer_id: { eq: 'b1' } }, []], ['eq null', { consumer_id: { eq: null } }, []], ['eq of a number', { consumer_id: { eq: 1 } }, []],
      ['in', { consumer_id: { in: ['é', 'a2', 'a3'] } }, ['a2', 'a3', 'é']], ['in of mixed kinds', { consumer_id: { in: ['a1', 1, true] } }, ['a1']], ['in of nothing', { consumer_id: { in: [] } }, []],
      ['gt', { consumer_id: { gt: 'a1' } }, ['a2', 'a3', 'é']], ['gte and lt', { consumer_id: { gte: 'B', lt: 'a2' } }, ['B1', 'a1']], ['a bound of numbers', { consumer_id: { gt: 0 } }, []],
      ['contains', { consumer_id: { contains: 'b' } }, ['B1']], ['a text with NUL', { consumer_id: { eq: 'a1\0' } }, []], ['one of several with NUL', { consumer_id: { in: ['a1', 'a2\0'] } }, ['a1']],
      ['the tenant', { customer_id: { eq: 'other' } }, ['a3']], ['several tenants', { customer_id: { in: ['other', 'none', 'acme'] } }, ['B1', 'a1', 'a2', 'a3', 'é']], ['behind a tenant', { customer_id: { gt: 'acme' } }, ['a3']]
    ]
    for (const [title, filter, expected] of cases) {
      t.same((await system.list('consumers', { filter, limit: 10 })).map(({ consumer_id: id }) => id), expected, title)
      t.equal(await system.count('consumers', filter), expected.length, `${title}: counted`)
    }
  })

  contract('text beyond ASCII is found without case too', async (t, open) => {
    const { store } = await open()
    await store.users.insert('acme', user('u1', { name: 'Özlem Çelik' }))
    await store.users.insert('acme', user('u2', { name: 'ΣΟΦΙΑ 💥' }))
    const found = async (contains: string): Promise<string[]> => (await store.users.list('acme', { filter: { name: { contains } }, limit: 10 })).map(({ user_id: id }) => id)
    t.same(await found('öZLEM'), ['u1'])
    t.same(await found('çel'), ['u1'])
    t.same(await found('οφια'), ['u2'])
    t.same(await found('💥'), ['u2'])
    t.same(await found('ozlem'), [], 'accents count')
  })

  contract('a key is found by its prefix, and only by all of it', async (t, open) => {
    const { store, system } = await open()
    await store.credentials.insert('acme', credential('k1', { prefix: 'ak_live_abc' }))
    await store.credentials.insert('other', credential('k2', { prefix: 'ak_live_abc' }))
    await store.credentials.insert('acme', credential('k3', { prefix: 'ak_live_abcd' }))
    const found = async (prefix: string): Promise<string[]> => (await system.credentialsByPrefix(prefix)).map(({ credential_id: id }) => id).sort()
    t.same(await found('ak_live_abc'), ['k1', 'k2'], 'of every tenant')
    t.same(await found('ak_live'), [])
    await store.credentials.remove('acme', 'k1')
    t.same(await found('ak_live_abc'), ['k2'])
    t.same(await system.tokensByPrefix('ak_live_abc'), [])
  })
}
