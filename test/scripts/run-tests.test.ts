import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'tap'
import { buildCoverageTable } from '../../scripts/coverage-table.js'
import { removeStaleOutputs } from '../../scripts/stale-outputs.js'
import { createTally } from '../../scripts/tap-tally.js'

test('run-tests: counts leaf test points and none of the lines that close a subtest', (t) => {
  const files: [string, boolean, number, number, number][] = []
  const { tally, write, end } = createTally([], (file) => { files.push([file.name, file.ok, file.passed, file.failed, file.skipped]) })
  const text = [
    'TAP version 14', '1..3',
    '# Subtest: a.test.js', '    # Subtest: adds', '        ok 1 - one', '        not ok 2 - two', '          ---', '          found: 3', '          wanted: 4', '          ...',
    '        1..2', '    not ok 1 - adds', '    ok 2 - alone # SKIP redis: set the variable', '    1..2', 'not ok 1 - a.test.js',
    '# Subtest: b.test.js', '    ok 1 - fine', '    1..1', 'ok 2 - b.test.js # time=12ms',
    '# Subtest: c.test.js', '    ok 1 - fine', '    1..1', 'not ok 3 - c.test.js', '  ---', '  signal: SIGKILL', '  ...', ''
  ].join('\n')
  for (let i = 0; i < text.length; i += 7) write(text.slice(i, i + 7))
  end()
  t.equal(tally.passed, 3)
  t.same(tally.failed.map(({ title, detail }) => [title, detail]), [['a.test.js > adds > two', 'found: 3\nwanted: 4'], ['c.test.js', 'signal: SIGKILL']])
  t.same(tally.skipped, [{ title: 'a.test.js > alone', detail: 'redis: set the variable' }])
  t.same(files, [['a.test.js', false, 1, 1, 1], ['b.test.js', true, 1, 0, 0], ['c.test.js', false, 1, 1, 0]])
  t.end()
})

test('run-tests: a skip for the want of a required service, and a file without tests, count as failed', (t) => {
  const { tally, write, end } = createTally(['redis'], () => undefined)
  write(['TAP version 14', '# Subtest: a.test.js', '    ok 1 - x # SKIP redis: not there', '    ok 2 - y # SKIP openssl: not there', '    1..2', 'ok 1 - a.test.js',
    'ok 2 - b.test.js # SKIP no tests found', '1..2', ''].join('\n'))
  end()
  t.same(tally.failed.map((point) => point.title), ['a.test.js > x', 'b.test.js'])
  t.same(tally.skipped.map((point) => point.title), ['a.test.js > y'])
  t.end()
})

test('run-tests: a stream that breaks off counts as failed', (t) => {
  const { tally, write, end } = createTally([], () => undefined)
  write('TAP version 14\n1..2\n# Subtest: a.test.js\n    ok 1 - x\n')
  end()
  t.ok(tally.failed.length > 0)
  t.end()
})

test('run-tests: coverage names the lines that did not run', (t) => {
  const line = (n: number) => ({ start: { line: n }, end: { line: n } })
  const table = buildCoverageTable([
    { path: '/r/b.ts', statementMap: { 0: line(1), 1: line(2), 2: line(3), 3: line(7) }, s: { 0: 1, 1: 0, 2: 0, 3: 0 } },
    { path: '/r/a.ts', statementMap: { 0: line(1) }, s: { 0: 4 } }
  ], (path) => path.slice(3))
  t.same(table, { files: 2, covered: 2, total: 5, lines: ['  b.ts   25.0 %  not run: 2-3,7'] })
  t.end()
})

test('run-tests: outputs of removed sources go, others stay', (t) => {
  const root = mkdtempSync(join(tmpdir(), 'sluice-stale-'))
  t.teardown(() => { rmSync(root, { recursive: true }) })
  mkdirSync(join(root, 'dist', 'test'), { recursive: true })
  mkdirSync(join(root, 'test'))
  writeFileSync(join(root, 'test', 'kept.test.ts'), '')
  for (const name of ['kept.test.js', 'kept.test.js.map', 'gone.test.js', 'gone.test.d.ts', 'data.json']) writeFileSync(join(root, 'dist', 'test', name), '')
  t.same(removeStaleOutputs(root, join(root, 'dist')), [join('test', 'gone.test.d.ts'), join('test', 'gone.test.js')])
  t.ok(existsSync(join(root, 'dist', 'test', 'kept.test.js.map')))
  t.ok(existsSync(join(root, 'dist', 'test', 'data.json')))
  t.same(removeStaleOutputs(root, join(root, 'absent')), [])
  t.end()
})
