import { test, type Test } from 'tap'
import { watchDomains } from '../../../bin/domain-watch.js'
import { createTxtLookup } from '../../../core/lib/txt-lookup.js'
import { createLogger } from '../../../core/observe/logger.js'
import { openDocumentStore } from '../../../core/state/document-store.js'
import { openSqliteEngine } from '../../../core/state/sqlite-engine.js'
import { ask } from '../../fixtures/ask.js'
import { runCli } from '../../fixtures/cli.js'
import { startDnsServer, type DnsServer } from '../../fixtures/dns-server.js'
import { startSluice, type SluiceProcess } from '../../fixtures/sluice-process.js'

const TOKEN = 'a-token-of-some-length'
const HOUR_MS = 3_600_000

interface Answer { status: number, body: Record<string, never> }

interface Site {
  readonly directory: string
  readonly sluice: SluiceProcess
  readonly dns: DnsServer
  admin (method: string, path: string, body?: object): Promise<Answer>
  cli (...args: string[]): ReturnType<typeof runCli>
  /** What is answered under a host: the status, or the text of 200. */
  served (host: string): Promise<string>
  /** Asks until the answer is as wished, of all workers; resolves to how long that took, in milliseconds. */
  until (host: string, wanted: string): Promise<number>
}

async function startSite (t: Test, workers: number): Promise<Site> {
  const dns = await startDnsServer(t)
  const directory = t.testdir({
    'gateway.yaml': `
listen: { host: 127.0.0.1, port: 0 }
admin: { port: 0 }
baseDomain: gate.example
domains: { resolvers: [ "${dns.address}" ] }
state: { embedded: { path: ./data } }
projects:
  declared:
    hosts: [ declared.example, "*.files.example" ]
    routes: [ { match: { path: "/*" }, plugins: [ { respond: { body: declared } } ] } ]
  rest:
    routes: [ { match: { path: "/*", hosts: [ route.example ] }, plugins: [ { respond: { body: declared } } ] } ]
`
  })
  const sluice = startSluice(t, ['start', '-c', `${directory}/gateway.yaml`, '--workers', String(workers), '--json'], { env: { SLUICE_ADMIN_TOKEN: TOKEN } })
  const port = await sluice.port('data')
  const url = `http://127.0.0.1:${await sluice.port('admin')}`
  const site: Site = {
    directory, sluice, dns,
    async admin (method, path, body) {
      const answer = await fetch(url + path, { method, headers: { authorization: `Bearer ${TOKEN}`, ...body === undefined ? {} : { 'content-type': 'application/json' } }, ...body === undefined ? {} : { body: JSON.stringify(body) } })
      const text = await answer.text()
      return { status: answer.status, body: (text === '' ? null : JSON.parse(text)) as Answer['body'] }
    },
    cli: (...args) => runCli(t, args, { env: { SLUICE_ADMIN_URL: url, SLUICE_ADMIN_TOKEN: TOKEN } }),
    async served (host) {
      const { status, text } = await ask(port, '/a', { headers: { host, connection: 'close' } })
      return status === 200 ? text : String(status)
    },
    async until (host, wanted) {
      const startedAt = performance.now()
      let since = startedAt
      // Workers take connections in turn: so many in a row are asked of all of them.
      for (let row = 0; row < 4 * workers;) {
        const askedAt = performance.now()
        if (await site.served(host) !== wanted) row = 0
        else if (++row === 1) since = askedAt
      }
      return since - startedAt
    }
  }
  return site
}

async function addProject ({ admin }: Site, id: string): Promise<void> {
  const made = await admin('POST', '/admin/projects', { project_id: id, target_url: 'https://api.example.com', auth_type: 'none' })
  const configured = await admin('PUT', `/admin/projects/${id}/config`, { routes: [{ match: { path: '/*' }, plugins: [{ respond: { body: id } }] }] })
  if (made.status !== 201 || configured.status !== 200) throw new Error(JSON.stringify(configured.body))
}

test('domains: one is served when its record is found, not before, and not any more when that is gone for 72 hours', async (t) => {
  const site = await startSite(t, 2)
  const { dns } = site
  await addProject(site, 'shop')
  await site.until('shop.gate.example', 'shop')
  t.match(await site.admin('POST', '/admin/domains', { name: 'declared.example', project_id: 'shop' }), { status: 400, body: { error: { details: { reason: 'domain_reserved' } } } }, 'the hosts of files are known, whichever process has them')
  t.equal((await site.admin('POST', '/admin/domains', { name: 'a.files.example', project_id: 'shop' })).status, 400)
  const made = JSON.parse((await site.cli('domain', 'create', 'name=Shop.Example', 'project_id=shop', '--json')).stdout) as { domain_id: string, challenge: { name: string, value: string } }
  t.equal(made.challenge.name, '_sluice-challenge.shop.example')
  t.equal(await site.served('shop.example'), '404', 'a claim is not served')
  t.match(await site.cli('domain', 'verify', made.domain_id), { code: 1, stderr: /TXT record is not there/ })
  t.equal(await site.served('shop.example'), '404')
  dns.records.set(made.challenge.name, { cname: 'proofs.example' }).set('proofs.example', { txt: ['v=1', [made.challenge.value.slice(0, 9), made.challenge.value.slice(9)]] })
  t.match(await site.cli('domain', 'verify', made.domain_id), { code: 0, stdout: /verified/ })
  t.ok(await site.until('shop.example', 'shop') < 1_000, 'served by every worker within a second')
  t.match((await site.admin('GET', `/admin/domains/${made.domain_id}`)).body, { status: 'verified', address: { type: 'CNAME', value: 'shop.gate.example' } })

  // What the gateway's own watch does every few minutes, at other times: the lease lets one of both.
  const open = openDocumentStore(await openSqliteEngine({ path: `${site.directory}/data` }))
  t.teardown(() => open.close())
  let ahead = 25 * HOUR_MS
  const watch = watchDomains({ open, log: createLogger({ level: 'silent' }), lookUp: createTxtLookup({ servers: [dns.address] }), now: () => Date.now() + ahead })
  t.teardown(() => watch.stop())
  dns.records.delete(made.challenge.name)
  t.equal(await watch.pass(), 1)
  t.match((await site.admin('GET', `/admin/domains/${made.domain_id}`)).body, { status: 'verified', failing_since: String })
  ahead += 71 * HOUR_MS
  t.equal(await watch.pass(), 1)
  t.equal(await site.served('shop.example'), 'shop', 'it is served for 72 hours')
  ahead += 2 * HOUR_MS
  t.equal(await watch.pass(), 1)
  t.ok(await site.until('shop.example', '404') < 1_000, 'and then by no worker')
  t.equal(await site.served('shop.gate.example'), 'shop')
  t.match((await site.admin('GET', '/admin/audit?action=domains.unverified&phase=outcome')).body, { data: [{ actor: 'system', target_id: made.domain_id, outcome: 'ok' }] })
  t.match((await site.admin('GET', '/admin/audit/verify')).body, { fault: null })

  dns.records.set(made.challenge.name, { txt: [made.challenge.value] })
  t.equal((await site.admin('POST', `/admin/domains/${made.domain_id}/verify`)).status, 200)
  await site.until('shop.example', 'shop')
  const text = await (await fetch(`http://127.0.0.1:${await site.sluice.port('admin')}/metrics`, { headers: { authorization: `Bearer ${TOKEN}` } })).text()
  t.match(text, /^sluice_domain_lookups_total\{outcome="proven"\} 2$/m)
  t.match(await site.cli('domain', 'delete', made.domain_id, '--yes'), { code: 0 })
  t.ok(await site.until('shop.example', '404') < 1_000, 'removal ends it at once')
})

test('domains: of two projects that verify one name at once one is served, and a name goes before a wildcard', async (t) => {
  const site = await startSite(t, 1)
  const claims: { domain_id: string, challenge: { name: string, value: string } }[] = []
  for (const id of ['one', 'two']) {
    await addProject(site, id)
    claims.push((await site.admin('POST', '/admin/domains', { name: 'shop.example', project_id: id })).body as unknown as typeof claims[0])
  }
  for (const name of ['declared.example', 'a.files.example', 'route.example']) t.equal((await site.admin('POST', '/admin/domains', { name, project_id: 'one' })).status, 400, name)
  site.dns.records.set('_sluice-challenge.shop.example', { txt: claims.map(({ challenge }) => challenge.value) })
  const answers = await Promise.all(claims.map(({ domain_id: id }) => site.admin('POST', `/admin/domains/${id}/verify`)))
  t.same(answers.map(({ status }) => status).sort(), [200, 409])
  const [winner, loser] = answers[0]?.status === 200 ? ['one', 'two'] : ['two', 'one']
  await site.until('shop.example', winner)
  const wildcard = (await site.admin('POST', '/admin/domains', { name: '*.shop.example', project_id: loser })).body as unknown as typeof claims[0]
  site.dns.records.set('_sluice-challenge.shop.example', { txt: [...claims.map(({ challenge }) => challenge.value), wildcard.challenge.value] })
  t.equal((await site.admin('POST', `/admin/domains/${wildcard.domain_id}/verify`)).status, 200)
  await site.until('a.b.shop.example', loser)
  t.equal(await site.served('shop.example'), winner)
})
