import { test } from 'tap'
import { createTxtLookup } from '../../../core/lib/txt-lookup.js'
import { startDnsServer } from '../../fixtures/dns-server.js'

test('txt look-up: every record is there, each with its pieces joined', async (t) => {
  const { address, records, asked } = await startDnsServer(t)
  const lookUp = createTxtLookup({ servers: [address] })
  records.set('a.example', { txt: ['one', ['two and ', 'its ', 'rest'], ['x'.repeat(255), 'y'.repeat(45)]] })
  t.same(await lookUp('a.example'), { outcome: 'found', texts: ['one', 'two and its rest', `${'x'.repeat(255)}${'y'.repeat(45)}`] })
  records.set('a.example', { txt: ['changed'] })
  t.same(await lookUp('a.example'), { outcome: 'found', texts: ['changed'] }, 'nothing is remembered')
  t.same(asked, ['TXT a.example', 'TXT a.example'])
})

test('txt look-up: aliases are followed, whether the server does that or not, and not for ever', async (t) => {
  for (const follows of [true, false]) {
    const { address, records } = await startDnsServer(t, follows)
    const lookUp = createTxtLookup({ servers: [address] })
    records.set('a.example', { cname: 'b.example' }).set('b.example', { cname: 'c.example' }).set('c.example', { txt: ['behind two aliases'] })
    t.same(await lookUp('a.example'), { outcome: 'found', texts: ['behind two aliases'] }, `the server follows: ${follows}`)
    records.set('c.example', { cname: 'a.example' })
    t.same(await lookUp('a.example'), { outcome: 'missing' }, 'a ring')
  }
})

test('txt look-up: that there is no record, and that nobody answers, are told apart', async (t) => {
  const { address, records } = await startDnsServer(t)
  const lookUp = createTxtLookup({ servers: [address], timeoutMs: 300 })
  records.set('empty.example', {}).set('broken.example', { fails: 'servfail' }).set('silent.example', { fails: 'silent' })
  t.same(await lookUp('empty.example'), { outcome: 'missing' })
  t.same(await lookUp('no-such-name.example'), { outcome: 'missing' })
  t.same(await lookUp('broken.example'), { outcome: 'unanswered', code: 'ESERVFAIL' })
  const startedAt = performance.now()
  t.match(await lookUp('silent.example'), { outcome: 'unanswered', code: /^E/ })
  t.ok(performance.now() - startedAt < 1_000, 'the time limit holds')
  t.match(await createTxtLookup({ servers: ['127.0.0.1:1'], timeoutMs: 300 })('a.example'), { outcome: 'unanswered' }, 'no server')
  t.throws(() => createTxtLookup({ servers: ['dns.example'] }), { code: 'ERR_INVALID_IP_ADDRESS' })
})
