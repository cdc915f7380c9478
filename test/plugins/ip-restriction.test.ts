import { test } from 'tap'
import { testPlugin } from '../../core/testing.js'
import ipRestriction from '../../plugins/ip-restriction/index.js'
import { configFindings } from '../fixtures/config-findings.js'

async function statuses (config: Record<string, unknown>, addresses: readonly string[]): Promise<number[]> {
  const plugin = await testPlugin(ipRestriction, config)
  const found: number[] = []
  for (const remoteAddress of addresses) found.push((await plugin.request({ target: '/', remoteAddress })).status)
  return found
}

test('ip-restriction: lets in whom allow names', async (t) => {
  const addresses = ['10.1.2.3', '192.0.2.7', '2001:db8::1', '11.0.0.1', '192.0.2.8', '2001:db9::1']
  t.same(await statuses({ allow: ['10.0.0.0/8', '192.0.2.7', '2001:db8::/32'] }, addresses), [200, 200, 200, 403, 403, 403])
})

test('ip-restriction: keeps out whom deny names, and lets in all others', async (t) => {
  t.same(await statuses({ deny: ['10.0.0.0/8', '2001:db8::/32'] }, ['10.1.2.3', '2001:db8::1', '11.0.0.1', '2001:db9::1']), [403, 403, 200, 200])
})

test('ip-restriction: deny wins over allow, however narrow allow is', async (t) => {
  t.same(await statuses({ allow: ['10.0.0.0/8'], deny: ['10.66.0.0/16'] }, ['10.1.2.3', '10.66.1.1', '192.0.2.1']), [200, 403, 403])
  t.same(await statuses({ allow: ['10.66.1.1'], deny: ['10.0.0.0/8'] }, ['10.66.1.1']), [403])
})

test('ip-restriction: an IPv4-mapped address is no way around', async (t) => {
  t.same(await statuses({ deny: ['10.0.0.0/8'] }, ['::ffff:10.1.2.3', '::ffff:a01:203', '::ffff:11.1.2.3']), [403, 403, 200])
  t.same(await statuses({ allow: ['::/0'] }, ['::ffff:10.1.2.3', '2001:db8::1']), [403, 200])
})

test('ip-restriction: fails closed for what is no address', async (t) => {
  t.same(await statuses({ deny: ['10.0.0.0/8'] }, ['unknown', '010.1.2.3', '10.1.2.3:80']), [403, 403, 403])
})

test('ip-restriction: refuses with AUTHORIZATION_ERROR, before anything is forwarded', async (t) => {
  const plugin = await testPlugin(ipRestriction, { allow: ['10.0.0.0/8'] })
  const result = await plugin.request({ target: '/', remoteAddress: '192.0.2.1' })
  t.equal(result.status, 403)
  t.equal(result.forwarded, null)
  const { error } = JSON.parse(result.body.toString()) as { error: Record<string, unknown> }
  t.equal(error['code'], 'AUTHORIZATION_ERROR')
  t.same(error['details'], { reason: 'ip_denied' })
  t.notMatch(result.body.toString(), /192\.0\.2\.1|10\.0\.0\.0/, 'the rule stays inside')
})

test('ip-restriction: reports every wrong entry at once', async (t) => {
  t.same(await configFindings(() => testPlugin(ipRestriction, { allow: ['10.0.0.0/8', '10.1.2.3/8'], deny: ['example.com', '10.0.0.0/33'] })), [
    'allow[1]: "10.1.2.3/8" has bits set behind its prefix, so that it says two things (write 10.0.0.0/8 for the network, or 10.1.2.3 for the one address)',
    'deny[0]: "example.com" is neither an IP address nor a network in CIDR notation (write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32)',
    'deny[1]: "10.0.0.0/33" has a prefix length that is not between 0 and 32 (write 10.0.0.0/32, or 10.0.0.0 alone, for the one address)'
  ])
  t.same(await configFindings(() => testPlugin(ipRestriction, {})), ['(root): neither allow nor deny is given (list networks under allow, under deny or under both)'])
  await t.rejects(testPlugin(ipRestriction, { allow: [] }), 'an empty list is refused: it would keep everybody out')
})
