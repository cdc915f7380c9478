import { existsSync, readdirSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { loadAuthorPlugin } from '../../../core/config/author-plugin.js'
import { pruneBundles } from '../../../core/config/prune-bundles.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const OLD = new Date(Date.now() - 2 * 86_400_000)
const name = (digit: string, rest = ''): string => `${digit.repeat(64)}.mjs${rest}`

test('prune bundles: those that nothing used for a day go, drafts too, and nothing else', async (t) => {
  const directory = tempDir(t)
  for (const file of [name('a'), name('b', '.0123abcd'), name('c'), 'notes.txt', `${'d'.repeat(63)}.mjs`]) writeFileSync(join(directory, file), '')
  for (const file of [name('a'), name('b', '.0123abcd'), 'notes.txt', `${'d'.repeat(63)}.mjs`]) utimesSync(join(directory, file), OLD, OLD)
  await pruneBundles(directory)
  t.strictSame(readdirSync(directory).sort(), [name('c'), `${'d'.repeat(63)}.mjs`, 'notes.txt'].sort())
  writeFileSync(join(directory, name('e')), '')
  utimesSync(join(directory, name('e')), OLD, OLD)
  await pruneBundles(directory)
  t.ok(existsSync(join(directory, name('e'))), 'it looks once an hour')
  await pruneBundles(directory, Date.now() + 3_700_000)
  t.notOk(existsSync(join(directory, name('e'))))
  await t.resolves(pruneBundles(join(directory, 'missing')))
})

test('prune bundles: one that is loaded again counts as used', async (t) => {
  const folder = tempDir(t)
  const cacheDirectory = join(folder, 'cache')
  const file = join(folder, 'mine.ts')
  writeFileSync(file, "import { Type, definePlugin } from 'sluice'\nexport default definePlugin({ name: 'mine', stage: 'edge', config: Type.Object({}), create: () => ({}) })\n")
  const { bundle } = await loadAuthorPlugin(file, { cacheDirectory })
  utimesSync(bundle, OLD, OLD)
  await loadAuthorPlugin(file, { cacheDirectory })
  t.ok(Date.now() - statSync(bundle).mtimeMs < 60_000)
})
