import { execFileSync } from 'node:child_process'
import { chmodSync, mkdirSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { loadConfig } from '../../../core/config/load.js'
import { describe, loadFiles, TEST_REGISTRY } from '../../fixtures/load-config.js'

/** Milliseconds of processor time that a piece of work took: others may share the machine. */
async function cpuMs (work: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1000
}

test('hostile: alias bombs, cycles and depth are findings within 2 s', async (t) => {
  const laughs = `a: &a [x,x,x,x,x,x,x,x,x,x]\n${[...'bcdefghijklmnop'].map((name, index) => `${name}: &${name} [${`*${'abcdefghijklmnop'[index]},`.repeat(10)}]`).join('\n')}\n`
  const quadratic = `a: &a [${'x,'.repeat(10_000)}]\nb: [${'*a,'.repeat(10_000)}]\n`
  const chain = `a0: &a0 x\n${Array.from({ length: 3_000 }, (_, n) => `a${n + 1}: &a${n + 1} [[[[[[[[[[*a${n}]]]]]]]]]]`).join('\n')}\n`
  const merges = `a: &a {${Array.from({ length: 1_000 }, (_, n) => `k${n}: 1`).join(', ')}}\nb:\n${'  - { <<: [*a, *a, *a, *a, *a, *a, *a, *a, *a, *a] }\n'.repeat(1_000)}`
  for (const [name, yaml, message] of [
    ['billion laughs', laughs, /the aliases unfold \d+ values to \d+/],
    ['quadratic', quadratic, /the aliases unfold \d+ values to \d+/],
    ['a chain of aliases', chain, /the aliases nest .*deep/],
    ['merge keys', merges, /merge keys exceeded/],
    ['an alias of itself', 'a: &a { b: [ *a ] }\n', /an alias \(\*name\) stands inside of what its anchor/],
    ['10 000 brackets', 'a: ' + '['.repeat(10_000), /nests too deeply/],
    ['10 000 closed brackets', `a: ${'['.repeat(10_000)}${']'.repeat(10_000)}`, /nests too deeply/],
    ['10 000 maps', 'a: ' + '{a: '.repeat(10_000), /nests too deeply/],
    ['3 000 indents', Array.from({ length: 3_000 }, (_, n) => `${' '.repeat(n)}a:`).join('\n'), /nests too deeply/],
    ['10 000 dashes', `a:\n  ${'- '.repeat(10_000)}x\n`, /nests too deeply/]
  ] as const) {
    let lines: string[] = []
    const ms = await cpuMs(async () => { ({ lines } = await loadFiles(t, { 'gateway.yaml': yaml })) })
    t.ok(lines.some((line) => message.test(line)), `${name}: ${lines[0] ?? 'nothing'}`)
    t.ok(ms < 2_000, `${name}: ${ms.toFixed(0)} ms`)
  }
})

test('hostile: anchors that real files use are fine', async (t) => {
  const yaml = `projects:
  a:
    upstreams:
      u: &u { targets: [ "http://127.0.0.1:1" ], timeouts: &t { headers: 3s } }
      v: { <<: *u, connections: 2 }
      w: { <<: [ { host: preserve }, *u ], timeouts: { <<: *t, idle: 9s } }
    plugins: [ { rate-limit: &r { limits: [ { name: a, limit: 1/s } ] } }, { rate-limit: *r, id: b } ]
`
  const { projects, lines } = await loadFiles(t, { 'gateway.yaml': yaml })
  t.same(lines, [])
  const { upstreams, plugins } = projects.get('a')!.config
  t.match(upstreams, { v: { connections: 2, timeouts: { headersMs: 3_000 } }, w: { host: 'preserve', timeouts: { headersMs: 3_000, idleMs: 9_000 } } })
  t.not(plugins[0]!.config, plugins[1]!.config, 'what is shared in the text is not shared by plugins')
  const wrong = await loadFiles(t, { 'gateway.yaml': yaml.replace('headers: 3s', 'haeders: 3s') })
  t.match(wrong.lines, [/^gateway.yaml:4:65 projects.a.upstreams.u.timeouts.haeders/, /^gateway.yaml:5:12 .*v.timeouts.haeders/, /^gateway.yaml:6:56 .*w.timeouts.haeders/], 'through an alias: where the alias stands')
})

test('hostile: files that can not be used are findings', async (t) => {
  const directory = t.testdir({})
  const at = (name: string): string => path.join(directory, name)
  const load = async (name: string): Promise<string[]> => describe(await loadConfig({ file: at(name), env: {}, registry: TEST_REGISTRY, loadAuthorPlugin: async () => { throw new Error('no') } }), directory)
  writeFileSync(at('huge.yaml'), '')
  truncateSync(at('huge.yaml'), 50 * 1024 * 1024)
  const ms = await cpuMs(async () => { t.match(await load('huge.yaml'), [/^huge.yaml:1:1 : the file can not be used: it has 52428800 bytes, more than the 33554432 that are read \(split it/]) })
  t.ok(ms < 2_000, `${ms.toFixed(0)} ms for 50 MB`)
  writeFileSync(at('nul.yaml'), 'listen: {}\nadmin: "a\0b"\n')
  t.match(await load('nul.yaml'), [/^nul.yaml:2:10 .*holds a NUL character/])
  writeFileSync(at('latin1.yaml'), Buffer.concat([Buffer.from('listen: {}\nworkers: '), Buffer.from([0xe9, 0x0a])]))
  t.match(await load('latin1.yaml'), [/^latin1.yaml:2:10 .*not valid UTF-8 \(save it as UTF-8\)/])
  writeFileSync(at('bom.yaml'), '\ufefflisten: { prt: 1 }\n')
  t.match(await load('bom.yaml'), [/^bom.yaml:1:11 listen.prt/], 'a byte order mark takes no column')
  writeFileSync(at('crlf.yaml'), 'listen:\r\n  port: 1\r\n  prt: 1\r\n')
  t.match(await load('crlf.yaml'), [/^crlf.yaml:3:3 listen.prt/])
  t.match(await load('gone.yaml'), [/^gone.yaml:1:1 : the file can not be used: there is no such file/])
  t.match(await load('.'), [/: the file can not be used: it is a folder/])
  execFileSync('mkfifo', [at('pipe.yaml')])
  t.match(await load('pipe.yaml'), [/it is not a regular file/], 'a pipe does not hang')
  symlinkSync('loop.yaml', at('loop.yaml'))
  t.match(await load('loop.yaml'), [/symbolic links/])
  for (const [name, text, message] of [
    ['empty', '', /^empty.yaml:1:1 : the file is empty/], ['comment', '# nothing\n', /^comment.yaml:1:1 : the file is empty/], ['null', '---\n...\n', /^null.yaml:1:1 : the file is empty/],
    ['list', '\n- a\n', /^list.yaml:2:1 : a configuration is a map of keys, and this is a list/], ['text', 'hello', /^text.yaml:1:1 .*a single value/], ['two', 'a: 1\n---\nb: 1\n', /^two.yaml:.*one document per file/]
  ] as const) {
    writeFileSync(at(`${name}.yaml`), text)
    t.match(await load(`${name}.yaml`), [message])
  }
  if (process.getuid?.() !== 0) {
    writeFileSync(at('closed.yaml'), 'listen: {}')
    chmodSync(at('closed.yaml'), 0)
    t.match(await load('closed.yaml'), [/this user may not read it/])
  }
})

test('hostile: syntax errors are told all at once, and a bare reference in plain words', async (t) => {
  const { lines } = await loadFiles(t, { 'gateway.yaml': 'listen: { port: 1\nadmin: {}\nprojects:\n  a: {}\n  a: {}\n\tb: {}\nplugins: [ "x ]\n' })
  t.ok(lines.length > 1, 'more than the first')
  t.ok(lines.every((line) => /^gateway.yaml:\d+:\d+ : this/.test(line)), lines.join('\n'))
  t.same((await loadFiles(t, { 'gateway.yaml': 'projects:\n  a: {}\n  b: {}\n  a: {}\n' })).lines, ['gateway.yaml:4:3 : this key stands twice in one map (name each key once)'])
  t.same((await loadFiles(t, { 'gateway.yaml': 'plugins: [ plain ]\nlisten: { host: "a # b", port: ${PORT} }\nadmin: { port: ${ADMIN:-1}, tokenFile: "${T}" }\n' })).lines, [
    'gateway.yaml:2:32 : a bare "${" can not stand in [ ] or { } (quote it: "${NAME}")', 'gateway.yaml:3:16 : a bare "${" can not stand in [ ] or { } (quote it: "${NAME}")'
  ])
  t.same((await loadFiles(t, { 'gateway.yaml': 'include:\n  - [\n    ${DIR}/*.yaml\n  ]\n' })).lines, ['gateway.yaml:3:5 : a bare "${" can not stand in [ ] or { } (quote it: "${NAME}")'])
  t.match((await loadFiles(t, { 'gateway.yaml': `workers: \${W}\nlisten: { port: ${'1'.repeat(600_000)}\n` }, { env: { W: '2' } })).lines, [/^gateway.yaml:\d+:\d+ : this is not YAML/], 'a large file: the first')
  for (const tag of ['!!js/function "function () {}"', '!!binary aGk=', '!custom x']) t.match((await loadFiles(t, { 'gateway.yaml': `listen: ${tag}\n` })).lines, [/^gateway.yaml:1:\d+ :? ?.*/], tag)
  t.match((await loadFiles(t, { 'gateway.yaml': 'stop: { timeout: 2026-01-01 }\n' })).lines, [/found the text "2026-01-01"/], 'there are no dates')
})

test('hostile: numbers that are none are findings', async (t) => {
  const { lines } = await loadFiles(t, { 'gateway.yaml': 'metrics: { buckets: [ 1, .inf ] }\naccessLog: { sample: .nan }\nplugins: [ { rate-limit: { limits: [ { name: a, limit: 1/s } ], most: 1e999 } } ]\n' })
  for (const place of ['1:26 metrics.buckets.1', '2:22 accessLog.sample', '3:71 plugins.0.rate-limit.most']) t.ok(lines.includes(`gateway.yaml:${place}: a number has to be finite (write one with digits)`), lines.join('\n'))
})

test('hostile: __proto__ and constructor are unknown keys, and nothing is polluted', async (t) => {
  const { lines, projects } = await loadFiles(t, {
    'gateway.yaml': `__proto__: { polluted: yes }
constructor: { prototype: { polluted: yes } }
listen: { __proto__: { port: 1 }, constructor: 1, toString: 1 }
plugins: [ { __proto__: {} }, { rate-limit: { limits: [ { name: a, limit: 1/s, __proto__: { by: x } } ], "__proto__": { most: 3 }, constructor: 1 } }, constructor, { toString: {} } ]
projects:
  __proto__: { routes: [] }
  constructor: { upstreams: { toString: { builtin: echo } }, routes: [ { match: { path: / }, upstream: valueOf }, { match: { path: /b }, upstream: toString } ] }
environments: { __proto__: {}, e: { __proto__: { a: 1 }, listen: { __proto__: {} } } }
`
  }, { environment: 'e' })
  t.equal(lines.filter((line) => line.includes('unknown key "__proto__"')).length, 9, 'each is one')
  t.match(lines.filter((line) => !line.includes('"__proto__"')), [
    /^gateway.yaml:2:1 constructor: unknown key "constructor"/, /^gateway.yaml:3:35 listen.constructor: unknown key/, /^gateway.yaml:3:51 listen.toString: unknown key/,
    /plugins.0: this entry names no plugin/, /plugins.1.rate-limit.constructor: unknown key/, /plugins.2: unknown plugin "constructor"/, /plugins.3.toString: unknown plugin "toString"/,
    /projects.constructor.routes.0.upstream: there is no upstream "valueOf"/
  ])
  t.equal(projects.size, 1)
  t.equal(({} as Record<string, unknown>).polluted, undefined)
  t.equal(Object.getPrototypeOf({}), Object.prototype)
})

test('hostile: 100 000 routes with one typo are one finding at its place within 5 s; thousands of typos are cut off', async (t) => {
  const route = (n: number): string => `      - { id: r${n}, match: { path: "/a/r${n}/:id", methods: [ GET ] }, upstream: u }\n`
  const routes = Array.from({ length: 100_000 }, (_, n) => n === 77_777 ? route(n).replace('methods', 'mehtods') : route(n))
  const head = 'projects:\n  a:\n    upstreams: { u: { targets: [ "http://127.0.0.1:1" ] } }\n    routes:\n'
  let lines: string[] = []
  const ms = await cpuMs(async () => { ({ lines } = await loadFiles(t, { 'gateway.yaml': head + routes.join('') })) })
  const line = 4 + 77_777 + 1
  t.same(lines, [`gateway.yaml:${line}:${(routes[77_777] as string).indexOf('mehtods') + 1} projects.a.routes.77777.match.mehtods: unknown key "mehtods" (did you mean "methods"?)`])
  t.ok(ms < 5_000, `${ms.toFixed(0)} ms`)
  const many = await loadFiles(t, { 'gateway.yaml': head + routes.slice(0, 3_000).join('').replaceAll('methods', 'mehtods') })
  t.equal(many.lines.length, 1_000)
  t.match(many.lines.at(-1), /there are 2001 findings more \(mend these first\)/)
})

test('hostile: includes that overlap, go round or lead nowhere are findings', async (t) => {
  const { lines, files, directory } = await loadFiles(t, {
    'gateway.yaml': 'listen: {}\ninclude: [ "p/**/*.yaml", missing.yaml, p/a.yaml, "none/*.yaml" ]\nprojects:\n  a: {}\n',
    p: {
      'a.yaml': 'projects:\n  a: {}\n  b: {}\nlisten: { port: 1 }\ninclude: [ ../gateway.yaml ]\n',
      deep: { 'c.yaml': 'projects: { c: {}, b: {} }\nplugins: [ plian ]\n', '.hidden.yaml': 'nonsense: 1' },
      'd.yaml': 'include: p\n', 'e.yaml': 'projects: [\n'
    }
  })
  t.same([...lines].sort(), [
    'p/a.yaml:2:3 projects.a: this is defined in gateway.yaml too (keep one of them) see gateway.yaml:4:3',
    'p/a.yaml:4:1 listen: this is defined in gateway.yaml too (keep one of them) see gateway.yaml:1:1',
    'p/a.yaml:5:12 include.0: the include leads back to gateway.yaml (include each file from one place; narrow a pattern that matches its own file)',
    'p/d.yaml:1:1 include: include is a list of file patterns, and this is something else (write for example: include: [ "projects/*.yaml" ])',
    'p/e.yaml:2:1 : this is not YAML: flow sequence in block collection must be sufficiently indented and end with a ] (line keys of one map up in one column)',
    'gateway.yaml:2:27 include.1: missing.yaml can not be used: there is no such file (name a file that exists and that this user may read)',
    'p/deep/c.yaml:1:20 projects.b: this is defined in p/a.yaml too (keep one of them) see p/a.yaml:3:3',
    'p/deep/c.yaml:2:12 plugins.0: unknown plugin "plian" (did you mean "plain"?)'
  ].sort())
  t.ok(files.includes(path.join(directory, 'missing.yaml')), 'what is missing is watched: it may come')
  mkdirSync(path.join(directory, 'again'))
  t.match((await loadFiles(t, { 'gateway.yaml': 'include: [ "*.yaml" ]\n' })).lines, [/leads back to gateway.yaml/], 'a pattern that matches its own file')
})
