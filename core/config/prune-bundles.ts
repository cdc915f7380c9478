/** Keeps the cache of authors' bundles from growing for ever: each change of a plugin leaves one behind. */
import { readdir, rm, stat, utimes } from 'node:fs/promises'
import path from 'node:path'

/** Bundles are named by a hash; a draft that a crash left behind has more after it. */
const BUNDLE = /^[0-9a-f]{64}\.mjs(?:\.[0-9a-f]+)?$/
const HOUR_MS = 3_600_000
/** A bundle is needed from its making to its import, seconds later; a process that has imported it needs the file no more. */
const KEPT_MS = 24 * HOUR_MS

const pruned = new Map<string, number>()

/** Removes bundles that nothing has used for a day; looks at most once an hour. Never throws: what can not be removed now can be later. */
export async function pruneBundles (directory: string, now: number = Date.now()): Promise<void> {
  if (now - (pruned.get(directory) ?? -Infinity) < HOUR_MS) return
  pruned.set(directory, now)
  const names = await readdir(directory).catch(() => [])
  for (const name of names) {
    if (!BUNDLE.test(name)) continue
    const file = path.join(directory, name)
    const stats = await stat(file).catch(() => null)
    if (stats !== null && now - stats.mtimeMs > KEPT_MS) await rm(file, { force: true }).catch(() => {})
  }
}

/** Notes that a bundle is being used. */
export async function touchBundle (bundle: string, now: Date = new Date()): Promise<void> {
  await utimes(bundle, now, now).catch(() => {})
}
