/**
 * `npm run bench:micro [-- --quick] [PART ...]`: every bench below this folder, one after the other, each in a process of its own.
 * A PART chooses those whose path holds it. Ends with 1 when one fails.
 */
import { spawnSync } from 'node:child_process'
import { readdirSync } from 'node:fs'
import { join, relative, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { QUICK } from './quick.js'

/** What benches share is no bench. */
const SHARED = new Set(['index.js', 'quick.js', 'growth.js', 'ns-per-call.js', 'plugins/plugin-hooks.js'])

const folder = fileURLToPath(new URL('.', import.meta.url))
const parts = process.argv.slice(2).filter((part) => !part.startsWith('--'))
const benches = readdirSync(folder, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile() && entry.name.endsWith('.js'))
  .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
  .filter((path) => !SHARED.has(path) && (parts.length === 0 || parts.some((part) => path.includes(part))))
  .sort()
if (benches.length === 0) throw new Error(`there is no bench with ${parts.join(' or ')} in its path`)
const failed = benches.filter((path) => {
  console.log(`\n== ${path.replace(/\.js$/, '')}`)
  const startedAt = performance.now()
  const { status } = spawnSync(process.execPath, ['--enable-source-maps', join(folder, path), ...(QUICK ? ['--quick'] : [])], { stdio: 'inherit' })
  console.log(`(${((performance.now() - startedAt) / 1000).toFixed(1)} s)`)
  return status !== 0
})
if (failed.length > 0) {
  console.log(`\nfailed: ${failed.join(', ')}`)
  process.exitCode = 1
}
