/**
 * `npm test [-- PART ...]`: runs the compiled tests with tap and prints a line per file, the statement coverage of the
 * TypeScript sources, what was skipped and why, what failed, and last `N passed, N failed`. A PART chooses the files whose path holds it.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream, existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { buildCoverageTable, percent, type FileCoverage } from './coverage-table.js'
import { removeStaleOutputs } from './stale-outputs.js'
import { createTally } from './tap-tally.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const dist = join(root, 'dist')
const rawTap = join(root, '.tap', 'run.tap')
const report = join(root, '.tap', 'report', 'coverage-final.json')
/** What one file may take: enough for the longest on a machine that does something else too, and the end of one that hangs. */
const FILE_SECONDS = 180
/** What is shipped, and so should be loaded by some test. */
const SHIPPED = ['core', 'plugins', 'routes', 'bin']

removeStaleOutputs(root, dist)
const parts = process.argv.slice(2)
const all = filesUnder(join(dist, 'test'), /\.test\.js$/).map((path) => relative(root, path)).sort()
const chosen = parts.length === 0 ? all : all.filter((path) => parts.some((part) => path.includes(part.replace(/\.ts$/, '.js'))))
if (chosen.length === 0) {
  console.log(parts.length === 0 ? 'there are no tests' : `no test file has ${parts.join(' or ')} in its path`)
  console.log('0 passed, 0 failed')
  process.exit(1)
}

rmSync(report, { force: true })
mkdirSync(dirname(rawTap), { recursive: true })
const required = (process.env['SLUICE_TEST_REQUIRE'] ?? '').split(',').map((name) => name.trim()).filter((name) => name !== '')
const stream = createTally(required, ({ name, ok, passed, failed, skipped, timeMs }) => {
  const numbers = [`${passed} passed`, failed > 0 ? `${failed} failed` : '', skipped > 0 ? `${skipped} skipped` : '']
  console.log(`${ok ? 'ok    ' : 'not ok'} ${sourceOf(name)}: ${numbers.filter((part) => part !== '').join(', ')} (${(timeMs / 1000).toFixed(1)} s)`)
})

// tap's own --output-file beside the tap reporter writes every line twice to stdout, so the copy for whoever looks into a failure is made here.
const copy = createWriteStream(rawTap)
const tap = spawn(process.execPath, [tapCli(), '--jobs=2', `--timeout=${FILE_SECONDS}`, '--no-color', '--reporter=tap', '--coverage-report=json', ...chosen],
  { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
tap.stdout.setEncoding('utf8').on('data', (chunk: string) => { copy.write(chunk); stream.write(chunk) })
const [code] = await once(tap, 'close') as [number | null]
copy.end()
stream.end()

const { tally } = stream
console.log('')
const covered = printCoverage()
for (const { title, detail } of tally.skipped) console.log(`skipped: ${sourceOf(title)}${detail === '' ? '' : `: ${detail}`}`)
for (const { title, detail } of tally.failed) console.log(`failed: ${sourceOf(title)}\n${detail.replace(/^/gm, '    ')}`)
const unseen = chosen.filter((file) => !tally.files.some((seen) => seen.replaceAll('\\', '/') === file.replaceAll('\\', '/')))
for (const file of unseen) console.log(`failed: ${file} never ended`)
const failed = tally.failed.length + unseen.length
if (failed > 0) console.log(`the whole output: ${relative(root, rawTap)}`)
else if (code !== 0) console.log(`tap ended with ${code === null ? 'a signal' : `exit code ${code}`}`)
console.log(`${tally.passed} passed, ${failed} failed${tally.skipped.length > 0 ? `, ${tally.skipped.length} skipped` : ''}`)
process.exitCode = failed === 0 && code === 0 && tally.passed > 0 && covered ? 0 : 1

/** Prints the coverage; false where the whole suite ran and none was recorded, which means that recording it is broken. */
function printCoverage (): boolean {
  const files = existsSync(report) ? Object.values(JSON.parse(readFileSync(report, 'utf8')) as Record<string, FileCoverage>) : []
  const table = buildCoverageTable(files, (path) => relative(root, path).split(sep).join('/'))
  for (const line of table.lines) console.log(line)
  if (parts.length === 0) {
    const loaded = new Set(files.map((file) => file.path))
    const missing = SHIPPED.flatMap((folder) => filesUnder(join(dist, folder), /\.js$/))
      .filter((path) => runsCode(path))
      .map((path) => join(root, relative(dist, path)).replace(/\.js$/, '.ts'))
      .filter((path) => !loaded.has(path))
    for (const path of missing) console.log(`  ${relative(root, path)}  no test loads it`)
  }
  console.log(`coverage: ${percent(table.covered, table.total).trim()} of ${table.total} statements in ${table.files} files`)
  const mapped = files.every((file) => file.path.endsWith('.ts'))
  if (!mapped) console.log('coverage: some of it does not map to TypeScript sources')
  return parts.length > 0 || (table.total > 0 && mapped)
}

/** `dist/test/x.test.js` as its author knows it. */
function sourceOf (name: string): string {
  return name.replace(/^dist[/\\]/, '').replace(/\.js\b/, '.ts')
}

/** Whether a compiled file does anything: a module of types alone is an empty one. */
function runsCode (path: string): boolean {
  return readFileSync(path, 'utf8').replace(/\/\*[^]*?\*\/|^\/\/.*$/gm, '').replace(/export \{\};?/, '').trim() !== ''
}

function filesUnder (folder: string, name: RegExp): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && name.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name))
}

/** The path of tap's command line, started with this very node rather than with the one on PATH. */
function tapCli (): string {
  const require = createRequire(import.meta.url)
  const manifest = require.resolve('tap/package.json')
  const { bin } = require(manifest) as { bin: { tap: string } }
  return join(dirname(manifest), bin.tap)
}
