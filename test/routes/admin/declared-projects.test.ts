import { test } from 'tap'
import { openAdminApi } from '../../fixtures/admin-api.js'

test('declared projects: are listed as those of the store are, by page and by cursor, filtered, sorted and cut', async (t) => {
  const names = Array.from({ length: 25 }, (_, index) => `file-${String(index).padStart(2, '0')}`)
  const { ask } = await openAdminApi(t, { declaredProjects: async () => names.map((project_id) => ({ project_id, target_url: project_id.endsWith('7') ? null : `https://${project_id}.example` })) })
  const list = async (query: string) => (await ask('GET', `/admin/projects?source=file${query}`)).body
  const first = await list('')
  t.same([first.data.length, first.pagination], [20, { page: 1, perPage: 20, total: 25, totalPages: 2, next: '/admin/projects?source=file&page=2' }])
  t.same((await list('&page=2')).data.map(({ project_id: id }) => id), names.slice(20))
  t.same((await list('&sort=project_id&order=desc&perPage=3&fields=project_id')).data, names.slice(-3).reverse().map((project_id) => ({ project_id })))
  const seen: unknown[] = []
  for (let next: string | null = '/admin/projects?source=file&cursor=&perPage=7'; next !== null;) {
    const { body } = await ask('GET', next)
    t.equal(body.pagination['total'], 25)
    seen.push(...body.data.map(({ project_id: id }) => id))
    next = body.pagination['next'] as unknown as string | null
  }
  t.same(seen, names)
  t.equal((await list('&search=FILE-1')).pagination['total'], 10)
  t.equal((await list('&active=false')).pagination['total'], 0)
  t.equal((await list('&customer_id=local,acme')).pagination['total'], 25)
  t.equal((await list('&auth_type=none')).pagination['total'], 0, 'what a file declares has no such short form')
  t.equal((await ask('GET', '/admin/projects?source=file&sort=nothing')).status, 400)
  t.equal((await ask('GET', '/admin/projects?source=file&cursor=&search=file')).status, 400, 'as of those of the store')
})
