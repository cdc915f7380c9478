import fc from 'fast-check'
import t from 'tap'
import { formatFinding } from '../../../core/errors.js'
import { hostProblem, normalizeHost } from '../../../core/lib/host-name.js'
import { buildHostIndex, checkPlace, checkProjects, draftHostIndex, type HostIndex, type IndexedProject } from '../../../core/pipeline/host-index.js'
import { projectConfig } from '../../fixtures/routes.js'

type Projects = Readonly<Record<string, readonly [hosts: readonly string[], basePath?: string]>>

function index (projects: Projects): HostIndex<string> {
  return buildHostIndex(Object.entries(projects).map(([name, [hosts, basePath = '']]) => ({ name, hosts, basePath, value: name })))
}

t.test('host index: exact over the longest wildcard over any host', async (t) => {
  const all = index({
    exact: [['api.shop.example']],
    long: [['*.shop.example']],
    short: [['*.example', 'example']],
    any: [[]]
  })
  const table: readonly (readonly [host: string, project: string])[] = [
    ['api.shop.example', 'exact'],
    ['www.shop.example', 'long'],
    ['a.b.shop.example', 'long'],
    ['shop.example', 'short'],
    ['other.example', 'short'],
    ['example', 'short'],
    ['evilexample', 'any'],
    ['shop.example.evil', 'any'],
    ['127.0.0.1', 'any'],
    ['[::1]', 'any'],
    ['', 'any'],
    ['.example', 'any']
  ]
  for (const [host, project] of table) t.equal(all.find(host, '/'), project, host)
})

t.test('host index: compares hosts without case, port and one trailing dot', async (t) => {
  const all = index({ it: [['Shop.Example.']], six: [['[::1]']], wild: [['*.Wild.example']] })
  for (const host of ['shop.example', 'SHOP.example', 'shop.example.', 'shop.example:8080', 'Shop.Example.:80']) t.equal(all.find(host, '/'), 'it', host)
  for (const host of ['[::1]', '[::1]:8080']) t.equal(all.find(host, '/'), 'six', host)
  for (const host of ['a.WILD.example:1', 'a.wild.example.']) t.equal(all.find(host, '/'), 'wild', host)
  for (const host of ['shop.example..', 'shop', 'wild.example', '::1']) t.equal(all.find(host, '/'), null, host)
})

t.test('host index: the longest basePath decides, segment by segment', async (t) => {
  const all = index({ root: [['a.example'], ''], api: [['a.example'], '/api'], v1: [['a.example'], '/api/v1'], deep: [['a.example'], '/x/y/z'] })
  const table: readonly (readonly [path: string, project: string])[] = [
    ['/', 'root'],
    ['/apiary', 'root'],
    ['/api', 'api'],
    ['/api/', 'api'],
    ['/api/v12', 'api'],
    ['/api/v1', 'v1'],
    ['/api/v1/orders/1', 'v1'],
    ['/x/y', 'root'],
    ['/x/y/z', 'deep'],
    ['/API', 'root']
  ]
  for (const [path, project] of table) t.equal(all.find('a.example', path), project, path)
})

t.test('host index: never falls back to another host or project', async (t) => {
  const all = index({ exact: [['a.example'], '/only'], wild: [['*.example'], '/wild'], any: [[], ''] })
  t.equal(all.find('a.example', '/only/x'), 'exact')
  t.equal(all.find('a.example', '/wild'), null)
  t.equal(all.find('a.example', '/'), null)
  t.equal(all.find('b.example', '/wild'), 'wild')
  t.equal(all.find('b.example', '/only'), null)
  t.equal(all.find('other', '/only'), 'any')
})

t.test('host index: knows whether a host is served at all', async (t) => {
  const named = index({ exact: [['a.example'], '/x'], wild: [['*.b.example']] })
  for (const [host, known] of [['a.example', true], ['A.example:1', true], ['x.b.example', true], ['b.example', false], ['c', false]] as const) t.equal(named.hasHost(host), known, host)
  t.equal(index({ any: [[], '/x'] }).hasHost('whatever'), true)
  t.equal(index({}).hasHost('whatever'), false)
  t.equal(index({}).find('whatever', '/'), null)
})

t.test('host index: a path that a lenient upstream takes for another project has none', async (t) => {
  const all = index({ open: [[], ''], admin: [[], '/admin'] })
  for (const path of ['/admin;x/users', '/admin%3Bx', '/open/..;/admin', '/open%2F..%2Fadmin', '/open/..%5Cadmin', '/;x/admin', '//admin', '/admin/..;/open', '/a%2F..%2F..%2F', '/..;a/b']) t.equal(all.find('a', path), null, path)
  for (const path of ['/open;x', '/a%2Fadmin', '/%20', '/a//b', '/admins;x']) t.equal(all.find('a', path), 'open', path)
  for (const path of ['/admin/users;x', '/admin/a%2Fb', '/admin/', '/admin//', '/admin/a/..;/b']) t.equal(all.find('a', path), 'admin', path)
})

t.test('host index: agrees with a reference that goes through all projects', async (t) => {
  const hosts = fc.constantFrom('a.x', 'b.x', '*.x', '*.b.x', '*.a.x', 'x')
  const basePath = fc.constantFrom('', '/a', '/b', '/a/b', '/a/b/c', '/ab')
  const projects = fc.uniqueArray(fc.record({ hosts: fc.uniqueArray(hosts, { maxLength: 3 }), basePath }), { maxLength: 10, selector: ({ hosts, basePath }) => `${[...hosts].sort().join()} ${basePath}` })
  let found = 0
  fc.assert(fc.property(projects, fc.constantFrom('a.x', 'b.x', 'c.b.x', 'x', 'y', 'd.c.a.x'), fc.array(fc.constantFrom('a', 'b', 'c', 'ab', ''), { maxLength: 5 }), (drawn, host, segments) => {
    const path = `/${segments.filter((segment, i) => segment !== '' || i === segments.length - 1).join('/')}`
    // Two with one host and basePath are a finding: the last one counts here, as in the index.
    const named = drawn.map((project, i) => ({ ...project, name: `p${i}`, value: i }))
    const rank = (pattern: string): number => pattern.startsWith('*') ? (host.endsWith(pattern.slice(1)) && host.length > pattern.length - 1 ? pattern.length : -1) : pattern === host ? 1000 : -1
    const best = (project: { hosts: readonly string[] }): number => project.hosts.length === 0 ? 0 : Math.max(...project.hosts.map(rank))
    const level = Math.max(-1, ...named.map(best))
    const under = named.filter((project) => level >= 0 && (project.hosts.length === 0 ? level === 0 : project.hosts.some((pattern) => rank(pattern) === level)))
    const below = under.filter((project) => path === project.basePath || path.startsWith(`${project.basePath}/`))
    const expected = below.sort((a, b) => b.basePath.length - a.basePath.length || b.value - a.value)[0]?.value ?? null
    if (expected !== null) found++
    return buildHostIndex(named).find(host, path) === expected
  }), { numRuns: 5000 })
  t.ok(found > 500, `${found} were found`)
})

t.test('checkProjects: names two projects that the same requests would belong to, with their places', async (t) => {
  const table: readonly (readonly [a: Parameters<typeof projectConfig>[1], b: Parameters<typeof projectConfig>[1], path: readonly (string | number)[], related: readonly (string | number)[]])[] = [
    [{ hosts: ['a.example'] }, { hosts: ['b.example', 'A.example.'] }, ['projects', 'two', 'hosts', 1], ['projects', 'one', 'hosts', 0]],
    [{ hosts: ['*.a.example'], basePath: '/x' }, { hosts: ['*.a.example'], basePath: '/x' }, ['projects', 'two', 'hosts', 0], ['projects', 'one', 'hosts', 0]],
    [{}, {}, ['projects', 'two'], ['projects', 'one']],
    [{ basePath: '/x' }, { basePath: '/x' }, ['projects', 'two'], ['projects', 'one']]
  ]
  for (const [a, b, path, related] of table) {
    const found = checkProjects([projectConfig('one', a), projectConfig('two', b)])
    t.equal(found.length, 1)
    t.match(found[0], { path, related: [{ path: related }], message: /"one" and "two"/ })
  }
  t.strictSame(checkProjects([
    projectConfig('one', { hosts: ['a.example', 'a.example'] }), projectConfig('two', { hosts: ['a.example'], basePath: '/x' }),
    projectConfig('three', { hosts: ['*.a.example'] }), projectConfig('four'), projectConfig('five', { basePath: '/x' })
  ]), [])
})

t.test('checkPlace: finds hosts and basePaths that are none, with the remedy', async (t) => {
  const host = (name: string): string => checkPlace(projectConfig('p', { hosts: [name] })).map(formatFinding).join('\n')
  const base = (basePath: string): string => checkPlace(projectConfig('p', { basePath })).map(formatFinding).join('\n')
  for (const good of ['a', 'a.example', 'A.Example.', '*.example', 'a_b.x-y.example', '127.0.0.1', '[::1]', 'xn--bcher-kva.example']) t.equal(host(good), '', good)
  const hosts: readonly (readonly [string, RegExp])[] = [
    ['', /projects\.p\.hosts\[0\]: .*not a host name/],
    ['*', /leave hosts out/],
    ['*example', /wrong place/],
    ['a.*.example', /wrong place/],
    ['*.*.example', /wrong place/],
    ['*.', /not a host name/],
    ['http://a.example', /without scheme/],
    ['a.example/x', /without scheme/],
    ['a.example:8080', /holds a port/],
    ['bücher.example', /write "xn--bcher-kva\.example"/],
    ['*.bücher.example', /write "\*\.xn--bcher-kva\.example"/],
    ['a..example', /not a host name/],
    ['-a.example', /not a host name/],
    ['a b', /not a host name/],
    ['a'.repeat(64), /not a host name/]
  ]
  for (const [name, expected] of hosts) t.match(host(name), expected, name)
  for (const good of ['', '/a', '/a/b-c_d.e~f/1']) t.equal(base(good), '', good)
  const bases: readonly (readonly [string, RegExp])[] = [
    ['a', /projects\.p\.basePath: .*\(write "\/a"\)/],
    ['/', /ends with "\/" \(leave it out\)/],
    ['/a/', /\(write "\/a"\)/],
    ['/a/../b', /\(write "\/b"\)/],
    ['/a//b', /letters, digits/],
    ['/a:b', /letters, digits/],
    ['/a;b', /letters, digits/],
    ['/a/*', /letters, digits/],
    ['/%61', /letters, digits/]
  ]
  for (const [basePath, expected] of bases) t.match(base(basePath), expected, basePath)
})

t.test('normalizeHost and hostProblem: agree on what is in its one form', async () => {
  fc.assert(fc.property(fc.oneof(fc.domain(), fc.string({ maxLength: 12 })), (host) => {
    const once = normalizeHost(host)
    if (hostProblem(host) !== null || host.startsWith('[')) return true
    return normalizeHost(once) === once && once === host.toLowerCase().replace(/\.$/, '') && hostProblem(once) === null
  }), { numRuns: 2000 })
})

t.test('host index: 10 000 projects are built and looked up as fast as 10', async (t) => {
  const many = (count: number): HostIndex<number> => buildHostIndex(Array.from({ length: count }, (_, i) => ({ name: `p${i}`, hosts: [`p${i}.example`], basePath: i % 2 === 0 ? '' : '/v1', value: i })))
  const big = many(10_000)
  for (const i of [0, 1, 4999, 9999]) t.equal(big.find(`p${i}.example`, '/v1/x'), i)
  const started = process.cpuUsage().user
  many(10_000)
  t.ok(process.cpuUsage().user - started < 200_000, 'built in less than 0.2 s of CPU')
})

t.test('host index: a copy in which projects were replaced finds what one made anew does, and the one before stays as it was', async (t) => {
  const hosts = ['a.example', 'b.a.example', '*.a.example', '*.example', '']
  const basePaths = ['', '/v1', '/v1/x']
  const asked = ['a.example', 'b.a.example', 'c.a.example', 'x.example', 'other']
  const paths = ['/', '/v1', '/v1/x/y', '/v12']
  // Each place belongs to one project at most, as checkProjects sees to it; the number tells versions of a project apart.
  const places = fc.array(fc.option(fc.record({ project: fc.nat(4), version: fc.nat(2) }), { nil: null }), { minLength: hosts.length * basePaths.length, maxLength: hosts.length * basePaths.length })
  const projectsOf = (owners: readonly ({ project: number, version: number } | null)[]): IndexedProject<string>[] => owners.flatMap((owner, i) => owner === null
    ? []
    : [{ name: `p${owner.project}`, hosts: hosts[i % hosts.length] === '' ? [] : [hosts[i % hosts.length] as string], basePath: basePaths[Math.floor(i / hosts.length)] as string, value: `p${owner.project}.${owner.version}` }])
  const answers = (index: HostIndex<string>): unknown[] => asked.flatMap((host) => [index.hasHost(host), ...paths.map((path) => index.find(host, path))])
  fc.assert(fc.property(places, places, (before, after) => {
    const [old, wanted] = [projectsOf(before), projectsOf(after)]
    const first = buildHostIndex(old)
    const answered = answers(first)
    const draft = draftHostIndex(first)
    for (const project of old) draft.remove(project)
    for (const project of wanted) draft.add(project)
    t.strictSame(answers(draft.index), answers(buildHostIndex(wanted)))
    t.strictSame(answers(first), answered)
  }), { numRuns: 200 })
})
