import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import { startChild } from '../../bench/lib/child.js'
import { decimals, formatTable, megabytes } from '../../bench/lib/table.js'
import { requestText } from '../../bench/http/request.js'
import { compareRounds, formatReport, summarise, type Report } from '../../bench/http/report.js'
import type { Round } from '../../bench/http/measure.js'
import { checkTargets } from '../../bench/http/targets.js'
import { VARIANTS } from '../../bench/http/variants.js'
import { sendRaw } from '../fixtures/raw-client.js'
import type { RawResponse } from '../fixtures/raw-response.js'

const round = (variant: string, number: number, cpuMicros: number, changes: Partial<Round> = {}): Round =>
  ({ variant, round: number, perSecond: 1e6 / cpuMicros, cpuMicros, busy: 0.99, p50Ms: 1, p99Ms: 4, rssBytes: 100e6, errors: [], ...changes })

const report = (rounds: Round[], changes: Partial<Report> = {}): Report => ({
  date: '2026-01-01T00:00:00.000Z', node: '20.19.0', cpu: 'a CPU', cores: 2, pinned: true, load: 'wrk', connections: 64,
  rounds, summaries: summarise(rounds), workers: null, latency: null, crowd: null, ...changes
})

const GOOD: Round[] = [1, 2, 3].flatMap((number) => [round('bare', number, 20 * number), round('sluice-bare', number, 16 * number), round('sluice-full', number, 19 * number), round('http-proxy', number, 44 * number)])

test('bench: ratios are taken round by round, and a round with errors does not count', (t) => {
  const [bare, sluice] = summarise(GOOD)
  t.equal(bare?.cpuRatio, 1)
  t.equal(sluice?.cpuRatio, 1.25)
  t.equal(sluice?.rateRatio, 1.25)
  t.equal(sluice?.cpuMicros, 32)
  const failed = [...GOOD, round('bare', 4, 1), round('sluice-bare', 4, 1_000, { errors: ['3 read errors'] })]
  const after = summarise(failed).find(({ variant }) => variant === 'sluice-bare')
  t.equal(after?.cpuRatio, 1.25)
  t.equal(after?.failedRounds, 1)
  t.equal(compareRounds(GOOD, 'bare', 'nothing', ({ cpuMicros }) => cpuMicros), null)
  t.end()
})

test('bench: --check names what was missed, and tells it from what was not measured', (t) => {
  const verdict = (changes: Partial<Report>, rounds = GOOD): Record<string, boolean | null> =>
    Object.fromEntries(checkTargets(report(rounds, changes)).map(({ name, ok }) => [name, ok]))
  const latency = { event: 'latency' as const, samples: 1_000, direct: { p50: 0.1, p99: 0.5 }, through: { p50: 0.35, p99: 2 }, failed: {} }
  const all = verdict({ latency, workers: { one: 20, two: 21, cost: 1.05 }, crowd: { connections: 1_000, perSecond: 1_000, rssBytes: 120e6, failed: {} } })
  t.ok(Object.values(all).every((ok) => ok === true), JSON.stringify(all))
  const bad = verdict({ latency: { ...latency, through: { p50: 0.5, p99: 3 }, failed: { 'status 502': 1 } }, workers: { one: 20, two: 30, cost: 1.5 }, crowd: { connections: 1_000, perSecond: 1_000, rssBytes: 160e6, failed: { ECONNRESET: 2 } } },
    [round('bare', 1, 20), round('sluice-bare', 1, 22), round('sluice-full', 1, 120), round('http-proxy', 1, 30, { errors: ['1 answers were not 2xx'] })])
  t.equal(Object.values(bad).filter((ok) => ok === false).length, 10)
  t.equal(bad['sluice-bare >= 2.5 x http-proxy'], null, 'without a clean round there is no ratio')
  const none = verdict({}, [round('bare', 1, 20)])
  t.equal(none['sluice-bare >= 1.05 x bare'], null)
  t.equal(none['added latency p99 <= 2 ms'], null)
  t.equal(checkTargets(report([round('sluice-full', 1, 20, { errors: ['x'] })])).find(({ name }) => name.startsWith('sluice-full >= 10 000'))?.ok, false, 'no clean round is no success')
  t.end()
})

test('bench: the report says what was measured, and warns where the load was the limit', (t) => {
  const text = formatReport(report(GOOD))
  t.match(text, /^sluice-bare +31250 +1\.25 +32\.0 +1\.25 +99 % +1\.00 +4\.00 +100$/m)
  t.notMatch(text, /the load was the limit/)
  t.match(formatReport(report([round('bare', 1, 20, { busy: 0.4 })])), /the load was the limit/)
  t.equal(formatTable(['name', 'n'], [['a', '10'], ['longer']]), 'name     n\na       10\nlonger')
  t.equal(decimals(NaN, 1), '-')
  t.equal(megabytes(123_400_000), '123')
  t.end()
})

test('bench: the origin answers each of several requests in one packet, and every peer forwards it unchanged', async (t) => {
  const origin = startChild({ args: [fileURLToPath(new URL('../../bench/http/origin.js', import.meta.url))], core: null })
  t.teardown(() => origin.stop())
  const port = (await origin.waitFor(({ event }) => event === 'ready'))['port'] as number
  const direct = await sendRaw(port, requestText(port) + requestText(port), { count: 2 })
  t.same(direct.responses.map(({ status, body }) => [status, body.length]), [[200, 110], [200, 110]])
  const [{ body }] = direct.responses as [RawResponse]
  for (const { name, command } of VARIANTS.filter((variant) => !variant.name.startsWith('sluice'))) {
    const child = startChild({ args: command(`http://127.0.0.1:${port}`, '/nonexistent'), core: null })
    t.teardown(() => child.stop())
    const own = (await child.waitFor(({ event }) => event === 'ready'))['port'] as number
    const { responses: [answer] } = await sendRaw(own, requestText(own))
    t.equal(answer?.status, 200, name)
    t.same(answer?.body, body, name)
    t.equal(answer?.header('content-type'), 'application/json', name)
  }
})
