import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'tap'
import { compileRegex, regexProblem, TextTooLongError, TRIED_ON_ANY } from '../../../core/lib/linear-regex.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { regexCosts } from '../../fixtures/regex-cost.js'
import { startGateway } from '../../fixtures/gateway.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const PATTERNS = ['/(a+)+$', '/(.*a){15}', '/(a|aa)+$', '/([a-zA-Z]+)*', '/(a|a?)+$', '/(.*)(.*)(.*)(.*)(.*)x', '/(x+x+)+y', '/(?:a*)*(?:a*)*b', '/(a|b)*a(a|b){23}c', '/.*.*=.*;.*']

/** These have programs so large that long texts are not tried on them. */
const LARGE = ['/(.*a){30}', '/(a|b)*a(a|b){80}c', '/(a|b)*a(a|b){120}c', '/[a-z0-9-]{1,64}', '/(a?){90}a{90}']

/** A path without a period: an automaton finds a new state at each character. */
function worst (length: number): string {
  let text = ''
  let state = 1
  while (text.length < length) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9 | 0
    text += (state >>> 13) % 2 === 0 ? 'a' : 'b'
  }
  return text
}

const PATHS = ['a'.repeat(8_190), `${'a'.repeat(8_189)}!`, 'x'.repeat(8_190), worst(8_190), `${worst(8_189)}c`, 'ab='.repeat(2_700)]

/** The least that eight runs take: what else the machine does only adds. */
async function leastOfEight (measure: () => Promise<number>): Promise<number> {
  let least = Infinity
  for (let run = 0; run < 8; run++) least = Math.min(least, await measure())
  return least
}

test('strict: no pattern makes the longest path cost more than 50 ms', async (t) => {
  const large = LARGE.flatMap((pattern) => [8_190, 5_000, 3_600, 2_500, 1_700, TRIED_ON_ANY].flatMap((length) => [worst(length), 'a'.repeat(length)].map((path) => ({ pattern, text: `/${path}`.slice(0, length) }))))
  const cases = [...PATTERNS.flatMap((pattern) => PATHS.map((path) => ({ pattern, text: `/${path}` }))), ...large]
  const costs = await regexCosts(cases)
  t.equal(costs.length, cases.length)
  for (const [index, ms] of costs.entries()) t.ok(ms < 50, `${cases[index]?.pattern} and ${cases[index]?.text.slice(1, 9)}…: ${Math.round(ms)} ms`)
})

test('strict: no path costs a gateway with the worst pattern more than 50 ms', async (t) => {
  const config = join(tempDir(t), 'gateway.yaml')
  await writeFile(config, `listen: { host: 127.0.0.1, port: 0 }
admin: false
accessLog: false
projects:
  one:
    routes:
      - { id: worst, match: { pathRegex: "/(a|b)*a(a|b){23}c" }, plugins: [ { respond: { status: 200, body: regex } } ] }
      - { id: other, match: { path: /other }, plugins: [ { respond: { status: 200, body: other } } ] }
`)
  // A process of its own: this one's coverage is recorded, which multiplies what is to be measured.
  const gateway = startSluice(t, ['start', '--config', config, '--json'])
  const port = await gateway.port('data')
  const send = async (path: string): Promise<number | undefined> => (await sendRaw(port, `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`, { settleMs: 0 })).responses[0]?.status
  for (const path of PATHS) {
    let run = 0
    const ms = await leastOfEight(async () => {
      const before = performance.now()
      t.ok([200, 400, 404].includes(await send(path.slice(0, -1 - run++)) ?? 0), 'it is served, not found, or too long for the pattern')
      return performance.now() - before
    })
    t.ok(ms < 50, `${path.slice(0, 8)}…: ${ms.toFixed(1)} ms`)
  }
  t.equal(await send('a'.repeat(50_000)), 414, 'a path of 50 KB is not looked at')
  t.notMatch(gateway.stderr(), 'bug')
})

test('strict: patterns that no linear engine takes, or that are too large for one, are refused', async (t) => {
  for (const pattern of ['(a)\\1', '(?=a)b', '(?!a)b', '/(.*a){200}', '/(a|b)*a(a|b){300}c', '((a{100}){100}){100}', '('.repeat(2_000), 'a{1001}', '[', '*']) t.not(regexProblem(pattern), null, pattern.slice(0, 40))
})

test('strict: a text that is long enough for the other engine is matched alike', async (t) => {
  const digits = compileRegex('/orders/[0-9]+/(items|lines)')
  for (const length of [3, 490, 500, 510, 4_000]) {
    t.equal(digits.test(`/orders/${'7'.repeat(length)}/items`), true, `${length} digits`)
    t.equal(digits.test(`/orders/${'7'.repeat(length)}x/items`), false, `${length} digits and a letter`)
    t.equal(digits.test(`/orders/${'7'.repeat(length)}/items/`), false, `${length} digits and more behind`)
    t.equal(digits.test(`//orders/${'7'.repeat(length)}/items`), false, `${length} digits and more in front`)
  }
})

test('strict: a text that would take too long on a large pattern is refused, and any of usual length is tried', async (t) => {
  const regex = compileRegex('/[a-z0-9-]{1,64}')
  t.strictSame([regex.test('/a-customer-0'), regex.test(`/${'a'.repeat(65)}`), regex.test('/A')], [true, false, false])
  t.equal(regex.test(`/${'a'.repeat(TRIED_ON_ANY - 1)}`), false)
  t.throws(() => regex.test(`/${'a'.repeat(8_000)}`), TextTooLongError)

  const gateway = await startGateway(t, {
    upstreamUrl: 'http://127.0.0.1:1',
    routes: [
      { match: { path: null, pathRegex: '/[a-z0-9-]{1,64}' }, path: '/unused', plugins: [['respond', { status: 200, body: 'regex' }]] },
      { path: '/long/*', plugins: [['respond', { status: 200, body: 'path' }]] }
    ]
  })
  const ask = async (path: string): Promise<unknown> => {
    const answer = await fetch(gateway.url + path)
    return answer.status === 200 ? await answer.text() : [answer.status, ((await answer.json()) as { error: { details?: { reason?: string } } }).error.details?.reason]
  }
  t.equal(await ask('/a-customer-0'), 'regex')
  t.strictSame(await ask(`/${'a'.repeat(100)}`), [404, undefined])
  t.equal(await ask(`/long/${'a'.repeat(7_000)}`), 'path', 'what a path decides is not tried on patterns')
  t.strictSame(await ask(`/${'a'.repeat(7_000)}`), [400, 'too_long_for_pattern'])
})
