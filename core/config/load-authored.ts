import type { ConfigPath } from '../errors.js'
import { AuthorPluginError } from './author-plugin-bundle.js'
import type { AuthorPlugin } from './author-plugin.js'
import { resolveFile, type BuildContext } from './build-context.js'
import { isMap, type Raw } from './raw.js'

/** What loading authors' plugins gives. */
export interface AuthoredPlugins {
  /** Those that could be loaded, by absolute file. */
  readonly plugins: ReadonlyMap<string, AuthorPlugin>
  /** Every file that was read for them, also for those that failed. */
  readonly files: readonly string[]
}

/** Loads every plugin that `lists` name by file, each once. One that fails is a finding at each place that names it. */
export async function loadAuthoredPlugins (
  lists: Iterable<{ list: readonly Raw[], at: ConfigPath }>,
  load: (file: string) => Promise<AuthorPlugin>,
  context: Pick<BuildContext, 'registry' | 'findings' | 'directory'>
): Promise<AuthoredPlugins> {
  const places = new Map<string, ConfigPath[]>()
  for (const { list, at } of lists) {
    for (let index = 0; index < list.length; index++) {
      const entry = list[index]
      if (!isMap(entry) || typeof entry.use !== 'string' || entry.use === '') continue
      const place = [...at, index, 'use']
      const file = resolveFile(entry.use, place, context)
      const known = places.get(file)
      if (known === undefined) places.set(file, [place])
      else known.push(place)
    }
  }
  const plugins = new Map<string, AuthorPlugin>()
  const files: string[] = []
  await Promise.all([...places].map(async ([file, at]) => {
    try {
      const loaded = await load(file)
      files.push(...loaded.files)
      if (context.registry.has(loaded.plugin.name)) fail(at, `${file}: its name "${loaded.plugin.name}" is that of a plugin of the gateway`, 'rename it')
      else plugins.set(file, loaded)
    } catch (error) {
      files.push(file, ...(error instanceof AuthorPluginError ? error.files : []))
      fail(at, error instanceof Error ? error.message : String(error), error instanceof AuthorPluginError ? error.remedy : 'mend the plugin')
    }
  }))

  function fail (at: readonly ConfigPath[], message: string, remedy: string): void {
    for (const path of at) context.findings.add({ path, message, remedy })
  }

  const byName = new Map<string, string>()
  for (const [file, { plugin }] of plugins) {
    const other = byName.get(plugin.name)
    if (other === undefined) byName.set(plugin.name, file)
    else fail(places.get(file) ?? [], `${file} and ${other} are both called "${plugin.name}"`, 'rename one')
  }
  return { plugins, files }
}
