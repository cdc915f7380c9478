import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { loadConfig } from '../../../core/config/load.js'
import { describe, TEST_REGISTRY } from '../../fixtures/load-config.js'
import { service } from '../../fixtures/services.js'
import { createAuthority } from '../../fixtures/tls.js'

test('tls: certificates and keys are read while loading, and what does not fit is a finding', { skip: service('openssl').skip }, async (t) => {
  const directory = t.testdir({})
  const authority = createAuthority(directory)
  const a = authority.issue('a', ['a.example.com'])
  const b = authority.issue('b', ['b.example.com'])
  const file = path.join(directory, 'gateway.yaml')
  const load = async (yaml: string) => {
    writeFileSync(file, yaml)
    const loaded = await loadConfig({ file, env: {}, registry: TEST_REGISTRY, loadAuthorPlugin: async () => { throw new Error('there is none') } })
    return { ...loaded, lines: describe(loaded, directory) }
  }
  const relative = (name: string): string => path.relative(directory, name)
  const good = `listen:
  tls: { certificates: [ { cert: ${relative(a.certFile)}, key: ${a.keyFile} }, { hosts: [ B.example.com ], cert: ${relative(b.certFile)}, key: ${relative(b.keyFile)} } ], minVersion: "1.3" }
  redirectHttp: 8081
projects:
  shop: { upstreams: { u: { targets: [ "https://u.example" ], tls: { ca: ${relative(authority.caFile)}, cert: "\${file:${relative(a.certFile)}}", key: ${relative(a.keyFile)}, verify: false } } } }
`
  const { root, projects, files, lines } = await load(good)
  t.same(lines, [])
  t.same(root.listen.tls, { certificates: [{ hosts: [], certFile: a.certFile, keyFile: a.keyFile }, { hosts: ['b.example.com'], certFile: b.certFile, keyFile: b.keyFile }], minVersion: 'TLSv1.3' })
  t.equal(root.listen.redirectHttp, 8081)
  const text = (name: string): string => readFileSync(name, 'utf8').trim()
  t.same(projects.get('shop')?.config.upstreams.u?.tls, { ca: text(authority.caFile), cert: text(a.certFile), key: text(a.keyFile), serverName: null, verify: false })
  for (const name of [a.certFile, a.keyFile, b.certFile, b.keyFile, authority.caFile]) t.ok(files.includes(name), `${relative(name)} is watched`)
  const { hash } = projects.get('shop') ?? {}
  writeFileSync(authority.caFile, readFileSync(b.certFile))
  t.not((await load(good)).projects.get('shop')?.hash, hash, 'another certificate is another project')

  t.same((await load(`listen: { tls: { certificates: [ { cert: ${relative(a.certFile)}, key: ${relative(b.keyFile)} }, { cert: gone.pem, key: ${relative(a.certFile)} } ] } }\n`)).lines.map((line) => line.replace(/^\S+ /, '')), [
    'listen.tls.certificates.0.key: this key is not the one of its certificate (name the two files that were made together)',
    'listen.tls.certificates.1.cert: the file "gone.pem" can not be read: there is no such file (name a PEM file, relative to this one)',
    'listen.tls.certificates.1.key: this is not a PEM private key without a passphrase (convert it with openssl)'
  ])
  t.same((await load(`projects: { shop: { upstreams: { u: { targets: [ "https://u" ], tls: { ca: ., cert: ${relative(a.certFile)} } }, v: { targets: [ "https://v" ], tls: { cert: ${relative(a.certFile)}, key: ${relative(b.keyFile)} } } } } }\n`)).lines.map((line) => line.replace(/^\S+ /, '')), [
    'projects.shop.upstreams.u.tls: there is a certificate without its key (give both cert and key)',
    'projects.shop.upstreams.u.tls.ca: the file "." can not be read: it is a folder (name a PEM file, relative to this one)',
    'projects.shop.upstreams.v.tls.key: this key is not the one of its certificate (name the two files that were made together)'
  ])
})
