import { test } from 'tap'
import { compileEgress, isPublicAddress, PUBLIC_ONLY, targetProblem } from '../../../core/lib/egress.js'

const FORBIDDEN = [
  '0.0.0.0', '0.1.2.3', '10.0.0.1', '10.255.255.255', '100.64.0.1', '100.100.100.200', '100.127.255.255', '127.0.0.1', '127.255.255.254', '169.254.169.254', '169.254.170.2',
  '172.16.0.1', '172.31.255.255', '192.0.0.192', '192.0.2.1', '192.88.99.1', '192.168.0.1', '198.18.0.1', '198.19.255.255', '198.51.100.1', '203.0.113.1', '224.0.0.1', '239.255.255.255',
  '240.0.0.1', '255.255.255.255', '168.63.129.16',
  '::', '::1', '::7f00:1', '::127.0.0.1', '::ffff:127.0.0.1', '::ffff:a9fe:a9fe', '::ffff:10.0.0.1', '::ffff:0:7f00:1', '64:ff9b::7f00:1', '64:ff9b::1.1.1.1', '64:ff9b:1::7f00:1', '100::1',
  '2001::1', '2001:2::1', '2001:10::1', '2001:db8::1', '2002:7f00:1::', '2002:808:808::1', '3fff::1', '4000::1', '5f00::1', 'fc00::1', 'fd00:ec2::254', 'fd20:ce::254', 'fe80::1', 'fe80::1%eth0', 'fec0::1', 'ff02::1'
]
const PUBLIC = ['1.1.1.1', '8.8.8.8', '9.255.255.255', '11.0.0.0', '100.63.255.255', '100.128.0.0', '126.255.255.255', '128.0.0.1', '169.253.255.255', '172.15.255.255', '172.32.0.0', '192.167.255.255', '223.255.255.255', '::ffff:8.8.8.8', '2606:4700:4700::1111', '2a00:1450:4001::1', '2400:cb00::1']

test('egress: only addresses of the internet at large are public', (t) => {
  t.same(FORBIDDEN.filter(isPublicAddress), [])
  t.same(PUBLIC.filter((address) => !isPublicAddress(address)), [])
  t.same(['', 'localhost', '1', '127.1', '0x7f000001', '017700000001', '8.8.8', '08.8.8.8', ':::', '1.1.1.1 ', '8.8.8.8:80', '[2606:4700::1]', 'x'.repeat(1_000)].filter(isPublicAddress), [], 'what is no address is not public')
  t.end()
})

test('egress: what operators allow is allowed, and nothing beside it; this machine is not, whatever address it has', (t) => {
  const egress = compileEgress(['10.1.0.0/16', 'fd00:1::/32'], ['198.41.0.4', '2606:4700::5'])
  t.same(['10.1.0.1', '10.1.255.255', '::ffff:10.1.2.3', 'fd00:1::7', '8.8.8.8'].filter((address) => !egress.allows(address)), [])
  t.same(['10.0.255.255', '10.2.0.0', 'fd00:2::1', '127.0.0.1', '64:ff9b::a01:1', '198.41.0.4', '::ffff:198.41.0.4', '2606:4700::5', ''].filter((address) => egress.allows(address)), [])
  t.ok(compileEgress(['198.41.0.4'], ['198.41.0.4']).allows('198.41.0.4'), 'unless they allow it')
  t.throws(() => compileEgress(['10.1.0.1/16']), /bits set behind its prefix/)
  t.equal(compileEgress(['10.1.0.0/16']).key, compileEgress(['10.1.0.0/16']).key)
  t.not(compileEgress(['10.1.0.0/16']).key, PUBLIC_ONLY.key)
  t.end()
})

test('egress: every spelling of an address that a tenant may not name is refused by its text', (t) => {
  const spellings = [
    '127.0.0.1', '127.1', '127.0.1', '2130706433', '0x7f000001', '0x7f.1', '0X7F.0.0.1', '017700000001', '0177.0.0.1', '0', '0.0.0.0', '00', '127.0.0.1.', '127.0.0.1:8081', '１２７.0.0.1', '127。0。0。1', '%31%32%37.0.0.1', '⑫7.0.0.1',
    'localhost', 'localhost.', 'LOCALHOST', 'api.localhost', 'api.localhost.', 'ｌocalhost', 'loc%61lhost',
    '169.254.169.254', '0xa9fea9fe', '2852039166', '0251.0376.0251.0376', '100.64.0.1', '100.100.100.200', '10.0.0.1', '192.168.1.1', '172.16.0.1', '168.63.129.16', '224.0.0.1', '255.255.255.255',
    '[::1]', '[0:0:0:0:0:0:0:1]', '[::]', '[::ffff:127.0.0.1]', '[::ffff:7f00:1]', '[::ffff:a9fe:a9fe]', '[::7f00:1]', '[64:ff9b::7f00:1]', '[2002:7f00:1::]', '[fd00:ec2::254]', '[fe80::1]', '[fec0::1]', '[ff02::1]'
  ]
  for (const host of spellings) {
    for (const url of [`http://${host}`, `https://${host}/a`]) t.match(targetProblem(url, PUBLIC_ONLY), { message: /is not a public address/, remedy: /egress\.allow/ }, url)
  }
  for (const url of ['http://u@8.8.8.8', 'http://u:p@8.8.8.8', 'http://@8.8.8.8', 'https://:@8.8.8.8', 'http://8.8.8.8@127.0.0.1']) t.match(targetProblem(url, PUBLIC_ONLY), { message: /user or password/ }, url)
  for (const url of ['http://8.8.8.8\\@127.0.0.1', 'http:\\\\127.0.0.1', 'http://8.8.8.8 @127.0.0.1', 'http://8.8.8.8\t', 'http://127.0\n.0.1', ' http://8.8.8.8', 'http://8.8.8.8\0']) t.match(targetProblem(url, PUBLIC_ONLY), { message: /space, a backslash or a control character/ }, JSON.stringify(url))
  for (const url of ['file:///etc/passwd', 'gopher://127.0.0.1:6379/_x', 'unix:/var/run/docker.sock', 'http+unix://%2Fvar%2Frun%2Fdocker.sock/', 'http:127.0.0.1', 'http:/127.0.0.1', 'http:///127.0.0.1', '//127.0.0.1', 'ftp://8.8.8.8', 'javascript:1', 'data:,x', '', 'http://', 'http://[::1', 'http://[fe80::1%25eth0]', 'http://a b']) {
    t.ok(targetProblem(url, PUBLIC_ONLY), url)
  }
  for (const url of ['https://api.example.com', 'http://8.8.8.8:8080/base', 'https://[2606:4700::1]', 'https://xn--bcher-kva.example', 'https://notlocalhost', 'https://localhost.example.com', 'https://example.com/a@b']) t.equal(targetProblem(url, PUBLIC_ONLY), null, url)
  const lab = compileEgress(['127.0.0.0/8', '10.1.0.0/16'])
  for (const url of ['http://127.0.0.1:9001', 'http://localhost:9001', 'http://2130706433', 'http://10.1.2.3']) t.equal(targetProblem(url, lab), null, url)
  for (const url of ['http://10.2.0.1', 'http://[::1]', 'http://169.254.169.254']) t.ok(targetProblem(url, lab), url)
  t.end()
})
