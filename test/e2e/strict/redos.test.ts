import { test } from 'tap'
import { compileRegex, regexProblem } from '../../../core/lib/linear-regex.js'
import { sendRaw } from '../../fixtures/raw-client.js'
import { startStrict } from '../../fixtures/refusals.js'

const PATTERNS = ['/(a+)+$', '/(.*a){30}', '/(a|aa)+$', '/([a-zA-Z]+)*', '/(a|a?)+$', '/(.*)(.*)(.*)(.*)(.*)x', '/(x+x+)+y', '/(?:a*)*(?:a*)*b', '/(a|b)*a(a|b){80}c', '/.*.*=.*;.*']

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

/** The least that three runs take: what else the machine does only adds. */
async function leastOfThree (measure: () => number | Promise<number>): Promise<number> {
  return Math.min(await measure(), await measure(), await measure())
}

test('strict: no pattern makes the longest path cost more than 50 ms', async (t) => {
  for (const pattern of PATTERNS) {
    const regex = compileRegex(pattern)
    for (const path of PATHS) {
      let run = 0
      const ms = await leastOfThree(() => {
        const before = process.cpuUsage()
        regex.test(`/${path.slice(0, -1 - run++)}`)
        const { user, system } = process.cpuUsage(before)
        return (user + system) / 1000
      })
      t.ok(ms < 50, `${pattern} and ${path.slice(0, 8)}…: ${Math.round(ms)} ms`)
    }
  }
})

test('strict: no path costs a gateway with the worst pattern more than 50 ms', async (t) => {
  const gateway = await startStrict(t, { routes: [{ path: null, match: { pathRegex: '/(a|b)*a(a|b){80}c' } }, { path: '/other' }] })
  const send = async (path: string): Promise<number | undefined> => (await sendRaw(gateway.port, `GET /${path} HTTP/1.1\r\nHost: a\r\n\r\n`, { settleMs: 0 })).responses[0]?.status
  for (const path of PATHS) {
    let run = 0
    // CPU time of gateway and client together, all of which a loop that serves nothing else could be late by.
    const ms = await leastOfThree(async () => {
      const before = process.cpuUsage()
      t.ok([200, 404].includes(await send(path.slice(0, -1 - run++)) ?? 0), 'it is served or not found')
      const { user, system } = process.cpuUsage(before)
      return (user + system) / 1000
    })
    t.ok(ms < 50, `${path.slice(0, 8)}…: ${ms.toFixed(1)} ms`)
  }
  t.equal(await send('a'.repeat(50_000)), 414, 'a path of 50 KB is not looked at')
  t.same(gateway.bugs, [])
})

test('strict: patterns that no linear engine takes, or that are too large for one, are refused', async (t) => {
  for (const pattern of ['(a)\\1', '(?=a)b', '(?!a)b', '(a?){100}a{100}', '((a{100}){100}){100}', '('.repeat(2_000), 'a{1001}', '[', '*']) t.not(regexProblem(pattern), null, pattern.slice(0, 40))
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
