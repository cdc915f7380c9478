import fc from 'fast-check'
import { test } from 'tap'
import { explainProjects } from '../../../core/pipeline/explain-projects.js'
import { buildHostIndex } from '../../../core/pipeline/host-index.js'
import type { ProjectConfig } from '../../../core/route.js'
import { projectConfig } from '../../fixtures/routes.js'

const projects = [
  projectConfig('any', {}),
  projectConfig('wild', { hosts: ['*.example.com'] }),
  projectConfig('shop', { hosts: ['shop.example.com'], basePath: '/api' }),
  projectConfig('shop-v2', { hosts: ['Shop.Example.com.', 'other.test'], basePath: '/api/v2' }),
  projectConfig('else', { hosts: ['else.test'] })
]

function explain (host: string, path: string, among: readonly ProjectConfig[] = projects): string[] {
  const found = buildHostIndex(among.map((project) => ({ name: project.name, hosts: project.hosts, basePath: project.basePath, value: project }))).find(host, path)
  return explainProjects(among, host, path, found?.name ?? null).map(({ name, outcome, reason }) => `${name} ${outcome}: ${reason}`)
}

test('explain projects: says which host and basePath decide, and why the others do not', (t) => {
  t.strictSame(explain('shop.example.com', '/api/v2/orders'), [
    'shop-v2 wins: host shop.example.com, basePath /api/v2',
    'any loses: host: any is less specific than shop.example.com, which decides',
    'wild loses: host: *.example.com is less specific than shop.example.com, which decides',
    'shop loses: basePath: /api is shorter than /api/v2 of shop-v2',
    'else no match: host: is none of else.test'
  ])
  t.equal(explain('shop.example.com', '/api')[0], 'shop wins: host shop.example.com, basePath /api')
  t.equal(explain('nobody.test', '/x')[0], 'any wins: host any, no basePath')
  t.end()
})

test('explain projects: there is no falling back from the host that decides', (t) => {
  t.strictSame(explain('shop.example.com', '/apiary'), [
    'any loses: host: any is less specific than shop.example.com, which decides',
    'wild loses: host: *.example.com is less specific than shop.example.com, which decides',
    'shop no match: basePath: the path does not begin with /api',
    'shop-v2 no match: basePath: the path does not begin with /api/v2',
    'else no match: host: is none of else.test'
  ])
  t.match(explain('shop.example.com', '/api/v2;x/../v2;/y')[0], /^any loses/)
  t.match(explain('shop.example.com', '/api/..;/api/v2'), ['any loses: host: any is less specific than shop.example.com, which decides', /wild/, /^shop loses: ambiguous/])
  t.end()
})

test('explain projects: agrees with the host index, whatever the projects', (t) => {
  const host = fc.constantFrom('a.test', 'b.a.test', '*.a.test', '*.b.a.test', 'c.test')
  const basePath = fc.constantFrom('', '/x', '/x/y', '/z')
  const some = fc.uniqueArray(fc.record({ hosts: fc.uniqueArray(host, { maxLength: 2 }), basePath }), { maxLength: 6, selector: ({ hosts, basePath: base }) => `${hosts.length === 0 ? 'any' : hosts.join()} ${base}` })
    .map((list) => list.map((one, index) => projectConfig(`p${index}`, one)))
    .filter((list) => new Set(list.flatMap(({ hosts, basePath: base }) => (hosts.length === 0 ? ['any'] : hosts).map((name) => `${name} ${base}`))).size === list.reduce((sum, { hosts }) => sum + Math.max(1, hosts.length), 0))
  fc.assert(fc.property(some, fc.constantFrom('a.test', 'b.a.test', 'd.b.a.test', 'q.test'), fc.constantFrom('/', '/x', '/x/y/1', '/xy', '/z/q'), (list, name, path) => {
    const found = buildHostIndex(list.map((project) => ({ name: project.name, hosts: project.hosts, basePath: project.basePath, value: project }))).find(name, path)
    const explained = explainProjects(list, name, path, found?.name ?? null)
    return explained.length === list.length && (explained.find(({ outcome }) => outcome === 'wins')?.name ?? null) === (found?.name ?? null) &&
      // Where nothing is found nothing plain may seem to match.
      (found !== null || explained.every(({ reason }) => !reason.startsWith('ambiguous')))
  }))
  t.end()
})
