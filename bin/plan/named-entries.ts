import { isMap } from '../../core/config/raw.js'
import { ENTRY_KEYS } from '../../core/config/registry.js'

const KEYS_OF_USES: ReadonlySet<string> = new Set(ENTRY_KEYS)

/**
 * The entries of a list by what tells them apart: the plugin that they use (with its id), their `id`, `name` or `url`, or the text that they are. Null where
 * one has none of these, or two have the same: then only their places tell them apart. `key`: what the list is called.
 */
export function namedEntries (list: readonly unknown[], key: string | undefined): [string, unknown][] | null {
  const entries: [string, unknown][] = []
  const seen = new Set<string>()
  for (const entry of list) {
    const name = key === 'plugins' ? nameOfUse(entry) : nameOf(entry)
    if (name === null || seen.has(name)) return null
    seen.add(name)
    entries.push([name, entry])
  }
  return entries
}

/** What a use of a plugin is called among others: two of one plugin have different ids. */
function nameOfUse (entry: unknown): string | null {
  if (!isMap(entry)) return nameOf(entry)
  const name = typeof entry['use'] === 'string' ? entry['use'] : Object.keys(entry).find((key) => !KEYS_OF_USES.has(key))
  if (name === undefined) return null
  return typeof entry['id'] === 'string' && entry['id'] !== name ? `${name}:${entry['id']}` : name
}

function nameOf (entry: unknown): string | null {
  if (typeof entry === 'string') return entry
  if (!isMap(entry)) return null
  return [entry['id'], entry['name'], entry['url']].find((value) => typeof value === 'string') ?? null
}
