import { test } from 'tap'
import { DURATION_PATTERN, SIZE_PATTERN, formatSize, parseDuration, parseSize } from '../../../core/lib/units.js'

test('units: reads durations as milliseconds', async (t) => {
  const cases: [text: string, ms: number][] = [['0', 0], ['0s', 0], ['250ms', 250], ['30s', 30_000], ['1.5s', 1_500], ['5m', 300_000], ['2h', 7_200_000], ['7d', 604_800_000], ['1w', 604_800_000]]
  for (const [text, ms] of cases) t.equal(parseDuration(text), ms, text)
})

test('units: reads sizes as bytes', async (t) => {
  const cases: [text: string, bytes: number][] = [['0', 0], ['1b', 1], ['64kb', 65_536], ['1mb', 1_048_576], ['1.5kb', 1_536], ['2gb', 2_147_483_648]]
  for (const [text, bytes] of cases) t.equal(parseSize(text), bytes, text)
})

test('units: a size is written in its largest whole unit, and reads as it was', async (t) => {
  for (const [bytes, text] of [[0, '0'], [1, '1b'], [1_000, '1000b'], [1_536, '1536b'], [65_536, '64kb'], [1_048_576, '1mb'], [3 * 1024 ** 3, '3gb']] as const) {
    t.equal(formatSize(bytes), text)
    t.equal(parseSize(text), bytes)
  }
})

test('units: what is neither is an error with an example', async (t) => {
  for (const text of ['', '30', 's', '-1s', '1 s', '1S', '1.s', '.5s', '1e3s', '1y', '99999999999999w']) {
    t.throws(() => parseDuration(text), { name: 'TypeError' }, JSON.stringify(text))
  }
  t.throws(() => parseDuration('30'), { message: '"30" is not a duration (write it like 500ms, 30s, 5m, 1h or 7d)' })
  for (const text of ['', '1', 'mb', '-1mb', '1 mb', '1MB', '1tb', '1mib', '99999999999gb']) {
    t.throws(() => parseSize(text), { name: 'TypeError' }, JSON.stringify(text))
  }
  t.throws(() => parseSize('1'), { message: '"1" is not a size (write it like 512b, 64kb, 1mb or 2gb)' })
})

test('units: the patterns for schemas match what is read', async (t) => {
  for (const text of ['0', '1ms', '1.5w', '1', '1x', '1mb']) {
    t.equal(new RegExp(DURATION_PATTERN).test(text), !throws(() => parseDuration(text)), text)
    t.equal(new RegExp(SIZE_PATTERN).test(text), !throws(() => parseSize(text)), text)
  }
})

function throws (run: () => unknown): boolean {
  try { run(); return false } catch { return true }
}
