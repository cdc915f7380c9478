/** Finds compiled files whose source is gone: tsc never deletes what it wrote for a file that was renamed or removed. */
import { existsSync, readdirSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'

const OUTPUT = /\.(?:js|js\.map|d\.ts|d\.ts\.map)$/

/** Removes from `outDir` what tsc wrote for sources that are no longer in `rootDir`; gives the removed paths, relative to `outDir`. */
export function removeStaleOutputs (rootDir: string, outDir: string): string[] {
  if (!existsSync(outDir)) return []
  const removed: string[] = []
  for (const entry of readdirSync(outDir, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !OUTPUT.test(entry.name)) continue
    const output = join(entry.parentPath, entry.name)
    const path = relative(outDir, output)
    if (existsSync(join(rootDir, path.replace(OUTPUT, '.ts')))) continue
    rmSync(output)
    removed.push(path)
  }
  return removed.sort()
}
