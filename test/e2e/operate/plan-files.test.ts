import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test, type Test } from 'tap'
import { runHere } from '../../fixtures/cli.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const TOKEN = 'a-token-of-some-length'
const SECRETS = { UPSTREAM_PASS: 'canary-4f9a-0', SHORT: 'c4n4ry', LATER: 'canary-77c1-1', GATEWAY_PASS: 'canary-b3d2-2' }
const OWN_PLUGIN = `import { definePlugin, Type } from 'sluice'
export default definePlugin({ name: 'own', description: 'One of the author.', stage: ['limit', 'transform'], config: Type.Object({ note: Type.String({ default: 'hello' }) }), create: () => ({}) })
`
const FILE = `# The gateway of a shop.
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
plugins: [ { headers: { request: { set: { x-gateway: "\${GATEWAY_PASS}" } } }, id: all } ]
include: [ "more/*.yaml" ]
projects:
  shop:
    hosts: [ shop.localhost ]
    upstreams:
      api: { targets: [ "http://127.0.0.1:1" ], timeouts: { headers: 60s } }
    plugins: [ { use: ./own.ts } ]
    routes:
      - id: hello
        match: { path: /hello, headers: { x-code: "\${SHORT}" } }
        plugins: [ { respond: { body: first } } ]
      - id: api
        match: { path: "/api/*" }
        upstream: api
        plugins: [ { headers: { request: { set: { authorization: "Bearer \${UPSTREAM_PASS}", x-upstream: "\${UPSTREAM_PASS}", x-file: "\${file:./note.txt}" } } } } ]
  gone: { hosts: [ gone.localhost ], routes: [ { id: r, match: { path: "/*" }, plugins: [ { respond: { body: x } } ] } ] }
environments:
  staging:
    projects: { shop: { upstreams: { api: { timeouts: { headers: 5s } } } } }
`

interface Site {
  readonly folder: string
  readonly file: string
  /** Another file, in a folder of its own, with this text. */
  copy (text: string): string
  cli (...args: string[]): ReturnType<typeof runHere>
  /** The same with secrets in its environment. */
  knowing (...args: string[]): ReturnType<typeof runHere>
  admin (method: string, path: string, body?: object): Promise<{ readonly status: number, readonly text: string }>
}

/** A gateway with projects in its files; all that it and the commands say is looked through for its secrets. */
async function startSite (t: Test, ...flags: string[]): Promise<Site> {
  const folder = tempDir(t)
  const file = join(folder, 'gateway.yaml')
  writeFileSync(file, FILE)
  writeFileSync(join(folder, 'own.ts'), OWN_PLUGIN)
  writeFileSync(join(folder, 'note.txt'), 'canary-90ee-3\n')
  mkdirSync(join(folder, 'more'))
  writeFileSync(join(folder, 'more', 'blog.yaml'), 'projects: { blog: { hosts: [ blog.localhost ], routes: [ { id: post, match: { path: "/*" }, plugins: [ { respond: { body: post } } ] } ] } }\n')
  const sluice = startSluice(t, ['start', '-c', file, '--json', ...flags], { env: { SLUICE_ADMIN_TOKEN: TOKEN, ...SECRETS } })
  await sluice.port('data')
  const url = `http://127.0.0.1:${await sluice.port('admin')}`
  const other = join(folder, 'edited')
  mkdirSync(join(other, 'more'), { recursive: true })
  copyFileSync(join(folder, 'more', 'blog.yaml'), join(other, 'more', 'blog.yaml'))
  const silent = (said: string): void => { t.notMatch(said, /canary|c4n4ry/, 'no secret is told') }
  const run = async (env: Readonly<Record<string, string>>, args: readonly string[]): ReturnType<typeof runHere> => {
    const done = await runHere({ SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN, ...env }, args)
    silent(done.stdout + done.stderr)
    return done
  }
  return {
    folder, file,
    copy (text) {
      const to = join(other, 'gateway.yaml')
      writeFileSync(to, text)
      return to
    },
    cli: (...args) => run({}, args),
    knowing: (...args) => run(SECRETS, args),
    async admin (method, path, body) {
      const response = await fetch(url + path, { method, headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json' }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
      const text = await response.text()
      silent(text)
      return { status: response.status, text }
    }
  }
}

const NOTHING = { code: 0, stdout: 'nothing to change\n', stderr: '' }

for (const [kind, ...flags] of [['one process'], ['workers', '--workers', '2']]) {
  test(`plan of files, ${String(kind)}: of the gateway's own file it tells exactly what was edited, and nothing where nothing was`, async (t) => {
    const { file, copy, cli } = await startSite(t, ...flags)
    t.same(await cli('plan', file), NOTHING, 'although this command has none of its environment')
    t.same(await cli('plan', copy(FILE)), NOTHING, 'wherever it lies')
    t.same(await cli('plan', copy(FILE.replace('headers: 60s', 'headers: 1m, connect: 5000ms').replace('respond: { body: first }', 'respond: { status: 200, body: first }, timeout: 5000ms').replace('{ use: ./own.ts }', '{ use: ./own.ts, stage: limit, config: { note: hello } }'))), NOTHING, 'nor in other words')
    t.same(await cli('plan', copy(FILE.replace('headers: 60s', 'headers: 30s').replace('body: first', 'body: second'))), {
      code: 2, stderr: '', stdout: `project shop of the gateway's files: 2 changes, 2 routes affected: api, hello
  ~ upstreams.api.timeouts.headers: "1m" -> "30s"
  ~ routes.hello.plugins.respond.respond.body: "first" -> "second"
1 project to change, 2 as they are
`
    })
  })
}

test('plan of files: the environment of the gateway is laid over what serves, and the one that is named over what is planned', async (t) => {
  const { file, cli } = await startSite(t, '--env', 'staging')
  t.same(await cli('plan', file, '--env', 'staging'), NOTHING)
  t.match(await cli('plan', file), { code: 2, stdout: /^ {2}~ upstreams\.api\.timeouts\.headers: "5s" -> "1m"\n1 project/m })
})

test('plan of files: what the file itself says by now is compared with what serves', async (t) => {
  const { file, cli, admin } = await startSite(t)
  writeFileSync(file, `${FILE.replace('body: first', 'body: second')}broken: yes\n`)
  t.equal((await admin('POST', '/reload')).status, 400, 'it is not reloaded')
  t.match(await cli('plan', file), { code: 2, stdout: /respond\.body: "first" -> "second"/ })
})

test('plan of files: a secret that changes is told by its digests, and what references stand for is asked of the gateway where it has them', async (t) => {
  const { file, copy, cli, knowing, admin } = await startSite(t)
  const digest = String.raw`"sha256:[\w-]{22}"`
  const at = String.raw`routes\.api\.plugins\.headers\.headers\.request\.set`
  t.match(await cli('plan', copy(FILE.replace('Bearer ${UPSTREAM_PASS}', 'Bearer canary-in-plain'))), { code: 2, stdout: new RegExp(`1 change, 1 route affected: api\n  ~ ${at}\\.authorization: ${digest} -> ${digest}\n1 project`) })
  t.match(await cli('plan', copy(FILE.replace('x-upstream: "${UPSTREAM_PASS}"', 'x-upstream: "other"'))), { code: 2, stdout: new RegExp(`  ~ ${at}\\.x-upstream: ${digest} -> "other"\n`) }, 'under a name that is no secret\'s, too')
  const later = copy(FILE.replace('x-upstream: "${UPSTREAM_PASS}"', 'x-upstream: "${LATER}"'))
  t.match(await cli('plan', later), { code: 1, stdout: '', stderr: /the environment variable LATER is not set/ }, 'no other variable of the gateway is asked for')
  t.match(await knowing('plan', later), { code: 2, stdout: new RegExp(`  ~ ${at}\\.x-upstream: ${digest} -> ${digest}\n`) })
  t.match(await cli('plan', copy(FILE.replace('body: first', 'body: "${UPSTREAM_PASS}"'))), { code: 1, stderr: /UPSTREAM_PASS is not set/ }, 'nor one that it has elsewhere')
  t.match(await cli('plan', copy(FILE.replace('"${GATEWAY_PASS}"', 'other'))), { code: 2, stdout: /inherited\.plugins\.headers:all\.headers\.request\.set\.x-gateway: "sha256:\S+ -> "other"/ })
  t.match(await cli('plan', copy(FILE.replace('"${SHORT}"', '"a b"').replace('"${file:./note.txt}"', '"${file:./none.txt}"'))), { code: 1, stderr: /the file "\.\/none\.txt" can not be read/ })

  const shown = await admin('GET', '/admin/projects/shop/config?effective=true')
  t.match(JSON.parse(shown.text), { hosts: ['shop.localhost'], routes: [{ match: { headers: { 'x-code': /^sha256:/ } } }, { plugins: [{ headers: { request: { set: { authorization: /^sha256:/, 'x-upstream': /^sha256:/, 'x-file': /^sha256:/ } } } }] }], inherited: { plugins: [{ id: 'all' }] } })
  t.equal((await admin('GET', '/admin/projects/shop/config?effective=true&source=file')).text, shown.text)
  t.equal((await admin('GET', '/admin/projects/shop/config?effective=true&source=store')).status, 404)
  t.match(await admin('PUT', '/admin/projects/shop/config?source=file', { routes: [] }), { status: 409, text: /declared_in_file/ })
  t.match(await admin('PUT', '/admin/projects/shop/config?source=file&dry_run=true', { routes: [{ match: { path: '/*' }, upstream: 'nope' }] }), { status: 400, text: /nope/ })
  t.match(await cli('plan', file), NOTHING)
})

test('plan of files: no other file is opened, and no other plugin loaded, because somebody asks what it would do', async (t) => {
  const { folder, copy, cli } = await startSite(t)
  writeFileSync(join(folder, 'evil.ts'), `import { writeFileSync } from 'node:fs'\nwriteFileSync(${JSON.stringify(join(folder, 'ran'))}, '')\n${OWN_PLUGIN}`)
  t.match(await cli('plan', copy(FILE.replace('./own.ts', './evil.ts'))), { code: 1, stderr: /the gateway has no plugin of \.\/evil\.ts now/ })
  t.throws(() => readFileSync(join(folder, 'ran')), { code: 'ENOENT' })
  t.match(await cli('plan', copy(FILE.replace('api: { targets', 'api: { tls: { ca: ./note.txt }, targets'))), { code: 1, stderr: /this is not a PEM certificate/ })
  t.match(await cli('plan', copy(FILE.replace('api: { targets', 'api: { tls: { ca: ./own.pem }, targets'))), { code: 1, stderr: /the gateway does not read it now/ })
})

test('plan of files: projects that come with the file or go with it are told of a whole one alone, and apply leaves all of them to the files', async (t) => {
  const { folder, copy, cli, admin } = await startSite(t)
  const come = (name: string): string => `  ${name}: { routes: [ { id: n, match: { path: "/*" }, plugins: [ { respond: { body: x } } ] } ] }\n`
  const edited = copy(FILE.replace(/^ {2}gone:.*\n/m, come('new')).replace('body: first', 'body: second'))
  const planned = await cli('plan', edited)
  t.match(planned, { code: 2, stdout: /^project shop of the gateway's files: 1 change, 1 route affected: hello\n[^]*^project new of the gateway's files: new, 1 route affected: n\n[^]*^project gone of the gateway's files: removed, 1 route affected: r\n[^]*^3 projects to change, 1 as they are\n$/m })

  const part = join(folder, 'part.yaml')
  writeFileSync(part, `projects:\n  shop: { routes: [] }\n${come('kept')}`)
  t.match(await cli('plan', part), { code: 2, stdout: /^project shop of the gateway's files: \d+ changes[^]*^project kept: new[^]*^2 projects to change, 0 as they are\n$/m }, 'a file of projects says nothing of others')
  t.match(await cli('apply', part, '--yes'), { code: 1, stderr: /^1 of 1: kept is applied\nprojects of the gateway's own files stay as they are: shop \(change these files[^]*reload/m })
  t.equal((await admin('GET', '/admin/projects/kept')).status, 200)
  t.match(JSON.parse((await cli('apply', part, '--yes', '--json')).stdout), { ok: false, projects: [{ project: 'shop', source: 'file', action: 'change', applied: false, error: { message: /stay as they are/ } }, { project: 'kept', source: 'store', action: 'none' }] })
  t.match(await cli('apply', edited, '--yes'), { code: 1, stderr: /^projects of the gateway's own files stay as they are: shop, new, gone \(/ })
  t.equal((await admin('GET', '/admin/projects/new')).status, 404)
})
