import { test } from 'tap'
import type { CompiledProject } from '../../core/compiled-project.js'
import { createMemoryRequest } from '../../core/memory-exchange.js'
import { buildHostIndex } from '../../core/pipeline/host-index.js'
import { isPathBelow } from '../../core/lib/path-below.js'
import { checkProjectPaths, readProjectPath } from '../../core/project-paths.js'
import type { GatewayConfig, ProjectConfig } from '../../core/route.js'
import { projectConfig, routeConfig } from '../fixtures/routes.js'

/** As much of a compiled project as is looked at. */
function compiled (name: string, more: Partial<ProjectConfig>): CompiledProject {
  return { name, config: projectConfig(name, more) } as CompiledProject
}

const PROJECTS = [
  compiled('shop', { origin: 'tenant', hosts: ['shop.gate.example', 'shop.example'] }), compiled('v1', { origin: 'operator-api', hosts: ['v1.gate.example'], basePath: '/v1' }),
  compiled('file', { hosts: ['file.example', '*.files.example'] }), compiled('rest', {})
]

function read (target: string, host = '127.0.0.1', projectPaths: string | null = '/p', headers: Record<string, string> = {}, keepsSlashes = false): { project: string | null, path: string, prefix: string, told: string | undefined } | null {
  const hosts = buildHostIndex(PROJECTS.map((project) => ({ name: project.name, hosts: project.config.hosts, basePath: project.config.basePath, value: project })))
  const found = readProjectPath({ root: { projectPaths } as GatewayConfig, hosts, projects: new Map(PROJECTS.map((project) => [project.name, project])) }, { ...createMemoryRequest({ target, host, headers }), ...keepsSlashes ? { path: target } : {} })
  return found === null ? null : { project: found.project?.name ?? null, path: found.request.path, prefix: found.prefix, told: found.request.headers.get('x-forwarded-prefix') }
}

test('project paths: the prefix and the project are taken off, and told to the upstream', (t) => {
  t.same(read('/p/shop/a/b?x=1'), { project: 'shop', path: '/a/b', prefix: '/p/shop', told: '/p/shop' })
  t.same(read('/p/shop'), { project: 'shop', path: '/', prefix: '/p/shop', told: '/p/shop' })
  t.same(read('/p/shop/'), { project: 'shop', path: '/', prefix: '/p/shop', told: '/p/shop' })
  t.match(read('/deep/er/shop/a', 'x.example', '/deep/er'), { project: 'shop', path: '/a', prefix: '/deep/er/shop' })
  t.match(read('/p/v1/v1/a'), { project: 'v1', path: '/v1/a' })
  t.match(read('/p/shop//evil.example/a', 'x.example', '/p', {}, true), { project: 'shop', path: '/evil.example/a', prefix: '/p/shop' }, 'also where repeated slashes are kept')
  t.match(read('/p//shop/a', 'x.example', '/p', {}, true), { project: null })
  t.match(read('/p/shop/a', 'x.example', '/p', { 'x-forwarded-prefix': '/outer/' }), { told: '/outer/p/shop' })
  t.end()
})

test('project paths: what names no project of the store below the prefix is nobody\'s, and never falls through to another', (t) => {
  for (const target of ['/p', '/p/', '/p/none', '/p/none/a', '/p/file/a', '/p/rest/a', '/p/SHOP/a', '/p/shop;x/a', '/p/shop%2Fa', '/p/v1/a', '/p/v1/v10', '/p/__proto__/a']) t.match(read(target), { project: null }, target)
  for (const target of ['/', '/px/shop', '/pp', '/P/shop', '/a/p/shop', '/x/..;/p/shop']) t.equal(read(target), null, target)
  t.equal(read('/p/shop', '127.0.0.1', null), null, 'without the option')
  t.end()
})

test('project paths: a host that any project names is that project\'s alone', (t) => {
  for (const host of ['shop.gate.example', 'shop.example', 'SHOP.example.', 'file.example', 'a.files.example', 'v1.gate.example']) t.equal(read('/p/shop/a', host), null, host)
  for (const host of ['gate.example', 'other.gate.example', 'files.example', 'localhost', '[::1]']) t.match(read('/p/shop/a', host), { project: 'shop' }, host)
  t.end()
})

test('project paths: what a file declares there is an error of the configuration, and never silently lost', (t) => {
  const found = (more: Partial<ProjectConfig>, prefix: string | null = '/p'): string[] => checkProjectPaths(projectConfig('test', more), prefix).map(({ path, message, remedy }) => {
    t.match(message, /projectPaths/)
    t.ok(remedy)
    return path.slice(2).join('.')
  })
  const routes = (...paths: (string | null)[]): ProjectConfig['routes'] => paths.map((path, index) => routeConfig(`r${index}`, path === null ? { pathRegex: '/p/.*' } : { path }, index))
  t.same(found({ routes: routes('/p', '/p/*', '/p/a/:id', '/px', '/*', '/:a/b', '/q/p', null) }), ['routes.0.match.path', 'routes.1.match.path', 'routes.2.match.path'])
  t.same(found({ basePath: '/p', routes: routes('/a') }), ['basePath'])
  t.same(found({ basePath: '/p/a', routes: routes('/a') }), ['basePath'])
  t.same(found({ basePath: '/api', routes: routes('/p/a', '/b') }, '/api/p'), ['routes.0.match.path'])
  t.same(found({ hosts: ['a.example'], routes: routes('/p/a') }), [], 'its host is its own')
  t.same(found({ origin: 'tenant', routes: routes('/p/a') }), [])
  t.same(found({ routes: routes('/p/a') }, null), [])
  t.same([isPathBelow('/p', '/p'), isPathBelow('/p/a', '/p'), isPathBelow('/pa', '/p'), isPathBelow('/a', '')], [true, true, false, true])
  t.end()
})
