import { test } from 'tap'
import fc from 'fast-check'
import { BlockList, isIP } from 'node:net'
import { compileCidrs, findCidrProblem } from '../../../core/lib/cidr.js'

test('cidr: says which addresses are in a network', async (t) => {
  const cases: [list: string[], inside: string[], outside: string[]][] = [
    [['10.0.0.0/8'], ['10.0.0.0', '10.255.255.255', '10.1.2.3'], ['9.255.255.255', '11.0.0.0', '::10.0.0.1']],
    [['192.0.2.7'], ['192.0.2.7'], ['192.0.2.6', '192.0.2.8']],
    [['192.0.2.7/32'], ['192.0.2.7'], ['192.0.2.8']],
    [['0.0.0.0/0'], ['0.0.0.0', '255.255.255.255', '::ffff:8.8.8.8'], ['::', '2001:db8::1']],
    [['128.0.0.0/1'], ['128.0.0.0', '255.255.255.255'], ['127.255.255.255']],
    [['2001:db8::/32'], ['2001:db8::', '2001:0DB8:ffff:ffff:ffff:ffff:ffff:ffff'], ['2001:db7:ffff::', '2001:db9::', '10.0.0.1']],
    [['2001:db8::1'], ['2001:db8::1', '2001:db8:0:0:0:0:0:1'], ['2001:db8::', '2001:db8::2', '2001:db8::1:0']],
    [['2001:db8:0:8000::/49'], ['2001:db8:0:8000::', '2001:db8:0:ffff::1'], ['2001:db8:0:7fff::1', '2001:db8:1::']],
    [['::/0'], ['::', 'ffff::1', '::1'], ['10.0.0.1', '::ffff:10.0.0.1']],
    [['fe80::/10'], ['fe80::1', 'fe80::1%eth0', 'febf::1'], ['fec0::1']],
    [['10.0.0.0/8', '10.1.0.0/16', '10.1.2.3', '192.168.0.0/16'], ['10.1.2.3', '10.2.0.0', '192.168.255.255'], ['11.0.0.0', '192.169.0.0']],
    [[], [], ['10.0.0.1', '::1']]
  ]
  for (const [list, inside, outside] of cases) {
    const matches = compileCidrs(list)
    for (const address of inside) t.equal(matches(address), true, `${address} is in [${list.join()}]`)
    for (const address of outside) t.equal(matches(address), false, `${address} is not in [${list.join()}]`)
  }
})

test('cidr: takes an IPv4-mapped address for the IPv4 address, on both sides', async (t) => {
  const plain = compileCidrs(['10.0.0.0/8'])
  for (const address of ['::ffff:10.1.2.3', '::FFFF:10.1.2.3', '::ffff:a01:203', '0:0:0:0:0:ffff:0a01:0203']) t.equal(plain(address), true, address)
  t.equal(plain('::ffff:11.1.2.3'), false)
  t.equal(plain('::10.1.2.3'), false, 'the deprecated compatible form is IPv6')
  const mapped = compileCidrs(['::ffff:10.0.0.0/104', '::ffff:192.0.2.1'])
  t.equal(mapped('10.1.2.3'), true)
  t.equal(mapped('192.0.2.1'), true)
  t.equal(mapped('192.0.2.2'), false)
})

test('cidr: what is no address is in no network', async (t) => {
  const any = compileCidrs(['0.0.0.0/0', '::/0'])
  const wrong = [
    '', ' ', '1', '1.2.3', '1.2.3.4.5', '1.2.3.', '.1.2.3', '1..2.3', '256.1.1.1', '01.2.3.4', '1.2.3.04', '0x7f.0.0.1', '1.2.3.4 ', ' 1.2.3.4', '1.2.3.4%eth0',
    ':', ':::', '1:', ':1', '1::2::3', '1:2:3:4:5:6:7', '1:2:3:4:5:6:7:8:9', '1:2:3:4:5:6:7:8::', '::1:2:3:4:5:6:7:8', '12345::', 'g::', '::1%', '%', '::1/64', '[::1]',
    '::1.2.3', '1:2:3:4:5:6:7:1.2.3.4', '::1.2.3.4:5', 'unknown', 'localhost', '10.0.0.1:80', '1:2:3:4:5:6:7::8:9'
  ]
  for (const address of wrong) t.equal(any(address), false, JSON.stringify(address))
})

test('cidr: a wrong entry is an error with the remedy', async (t) => {
  const cases: [entry: string, message: RegExp][] = [
    ['10.0.0.0/33', /prefix length that is not between 0 and 32 .*10\.0\.0\.0\/32/],
    ['10.0.0.0/08', /prefix length/],
    ['10.0.0.0/', /prefix length/],
    ['10.0.0.0/-1', /prefix length/],
    ['10.0.0.0/8/8', /prefix length/],
    ['2001:db8::/129', /between 0 and 128/],
    ['::ffff:0:0/64', /reaches beyond|bits set|prefix/],
    ['10.1.2.3/8', /bits set behind its prefix.*write 10\.0\.0\.0\/8 for the network, or 10\.1\.2\.3 /],
    ['2001:db8::1/32', /write 2001:db8::\/32 /],
    ['example.com', /neither an IP address/],
    ['10.0.0/8', /neither an IP address/],
    ['fe80::1%eth0', /neither an IP address/],
    ['', /neither an IP address/],
    [' 10.0.0.0/8', /neither an IP address/]
  ]
  for (const [entry, message] of cases) {
    t.throws(() => compileCidrs(['192.0.2.1', entry]), { name: 'TypeError', message }, entry)
    t.ok(findCidrProblem(entry)?.remedy, `${entry}: has a remedy`)
  }
  t.equal(findCidrProblem('10.0.0.0/8'), null)
})

test('cidr: reads exactly what net.isIP takes for an address', async (t) => {
  const any = compileCidrs(['0.0.0.0/0', '::/0'])
  const soup = fc.array(fc.constantFrom('0', '1', '9', 'a', 'ff', '255', '.', ':', '::', '1.2.3.4', 'f00d'), { maxLength: 12 }).map((parts) => parts.join(''))
  fc.assert(fc.property(fc.oneof(fc.ipV4(), fc.ipV6(), soup), (address) => any(address) === (isIP(address) !== 0)), { numRuns: 5000 })
  t.pass('5 000 texts')
})

test('cidr: agrees with net.BlockList', async (t) => {
  // Few distinct bits, so that addresses fall into networks, at their edges and just outside.
  const hextet = fc.constantFrom('0', '1', '7fff', '8000', 'fffe', 'ffff')
  const octet = fc.constantFrom(0, 1, 127, 128, 254, 255)
  const v4 = fc.tuple(octet, octet, octet, octet).map((octets) => octets.join('.'))
  const v6 = fc.tuple(fc.constantFrom('2001', '2002', 'fe80'), ...Array.from({ length: 7 }, () => hextet)).map((hextets) => hextets.join(':'))
  const network = fc.oneof(
    fc.tuple(v4, fc.integer({ min: 0, max: 32 })).map(([address, length]) => ({ address, length, family: 'ipv4' as const })),
    fc.tuple(v6, fc.integer({ min: 0, max: 128 })).map(([address, length]) => ({ address, length, family: 'ipv6' as const }))
  )
  fc.assert(fc.property(fc.array(network, { maxLength: 6 }), fc.array(fc.oneof(v4, v6), { maxLength: 12 }), (networks, addresses) => {
    // One list for each family: BlockList finds IPv4 addresses in ::/0 too.
    const lists = { ipv4: new BlockList(), ipv6: new BlockList() }
    const entries: string[] = []
    for (const { address, length, family } of networks) {
      lists[family].addSubnet(address, length, family)
      // The remedy of a network with host bits is the network: this tests that too.
      const entry = `${address}/${length}`
      const problem = findCidrProblem(entry)
      entries.push(problem === null ? entry : / ([^ ]+\/\d+) /.exec(problem.remedy)?.[1] as string)
    }
    const matches = compileCidrs(entries)
    return addresses.every((address) => {
      const family = isIP(address) === 4 ? 'ipv4' : 'ipv6'
      return matches(address) === lists[family].check(address, family)
    })
  }), { numRuns: 3000 })
  t.pass('3 000 lists')
})
