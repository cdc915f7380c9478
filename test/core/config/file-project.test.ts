import { test, type Test } from 'tap'
import type { FileProject } from '../../../core/config/file-project.js'
import { loadFiles } from '../../fixtures/load-config.js'

const FILE = `plugins: [ { inspect: { token: "\${SECRET}" } } ]
projects:
  shop:
    upstreams: { api: { targets: [ "\${TARGET}" ] } }
    routes:
      - { id: a, match: { path: /a, headers: { x-code: "\${CODE}" } }, upstream: api, plugins: [ { inspect: { token: "Bearer \${SECRET}" } } ] }
  other: { hosts: [ other.example ], routes: [ { match: { path: / }, plugins: [ { inspect: { token: "\${OTHER}" } } ] } ] }
environments: { staging: { projects: { shop: { basePath: "\${BASE}" } } } }
`
const ENV = { SECRET: 'canary-1', TARGET: 'http://127.0.0.1:9', CODE: '', OTHER: 'canary-2', BASE: '/staging' }

async function startTrial (t: Test): Promise<(project: object | string) => FileProject> {
  const { tryProject, lines, projects } = await loadFiles(t, { 'gateway.yaml': FILE, 'ca.pem': 'not read' }, { env: ENV, environment: 'staging' })
  t.same(lines, [])
  t.strictSame(projects.get('shop')?.config.referenced, [['token', 'Bearer canary-1']], 'of what may be secret, and is there')
  return (project) => tryProject('shop', typeof project === 'string' ? project : JSON.stringify(project))
}

function messagesOf ({ config, findings }: FileProject): string[] {
  return config === null ? findings.map(({ message }) => message) : ['none']
}

test('file-project: a text with references is what it is in the files, at the same keys of the same project alone', async (t) => {
  const tried = await startTrial(t)
  const route = (token: string, more: object = {}): object => ({ id: 'b', match: { path: '/b' }, plugins: [{ inspect: { token } }], ...more })
  t.match(tried({ basePath: '${BASE}', upstreams: { api: { targets: ['http://127.0.0.1:1', '${TARGET}'] } }, routes: [route('x', { id: 'first' }), route('Bearer ${SECRET}')] }), {
    config: { basePath: '/staging', upstreams: { api: { targets: [{ url: 'http://127.0.0.1:1' }, { url: ENV.TARGET }] } }, routes: [{ plugins: [{ config: { token: 'x' } }] }, { plugins: [{ config: { token: 'Bearer canary-1' } }] }], referenced: [['token', 'Bearer canary-1']] },
    gateway: null, findings: []
  }, 'also in another entry of a list')
  for (const token of ['${SECRET}', '${OTHER}', 'Bearer ${SECRET} more', '${file:gateway.yaml}', '${secret:SECRET}']) t.match(messagesOf(tried({ routes: [route(token)] })), [/is not set|can not be read|names a secret of the store/], token)
  t.match(messagesOf(tried({ hosts: ['Bearer ${SECRET}'], routes: [] })), [/SECRET is not set/])
  t.match(tried({ routes: [route('${OTHER}')], references: { '${OTHER}': '${SECRET}' } }), { config: { routes: [{ plugins: [{ config: { token: '${SECRET}' } }] }] } }, 'what is said elsewhere is taken as it is')
  t.match(tried({ routes: [route('$${x} ${Y:-z}')] }), { config: { routes: [{ plugins: [{ config: { token: '${x} z' } }] }] } })
  t.match(tried({ routes: [], inherited: { plugins: [{ inspect: { token: '${SECRET}' }, locked: true }] } }), { gateway: [{ config: { token: 'canary-1' }, locked: true }], config: { referenced: [['token', 'canary-1']] } })
})

test('file-project: what could not be served is found, each at its place, and nothing else is opened for it', async (t) => {
  const tried = await startTrial(t)
  t.match(tried('routes:\n  - { match: { path: /a }, upstream: nope }\nbogus: 1\n'), { config: null, findings: [{ position: { line: 3 }, message: /unknown key "bogus"/ }, { position: { line: 2 }, message: /there is no upstream "nope"/ }] })
  t.match(messagesOf(tried('a: [')), [/./])
  t.match(messagesOf(tried('routes')), [/./])
  t.match(messagesOf(tried('{ "__proto__": 1, basePath: .inf }')), [/finite/, /__proto__/])
  t.match(messagesOf(tried({ upstreams: { api: { targets: ['http://127.0.0.1:1'], tls: { ca: './ca.pem' } } }, routes: [] })), [/does not read it now/])
  t.match(messagesOf(tried({ plugins: [{ use: './mine.ts' }], inherited: { plugins: [{ use: './outer.ts' }] }, routes: [] })), [/no plugin of \.\/mine\.ts now/, /no plugin of \.\/outer\.ts now/])
  t.match(messagesOf(tried({ inherited: { plugins: [{ nope: {} }] }, routes: [] })), [/unknown plugin "nope"/])
})
