/** An author's own plugin (`use: ./plugins/mine.ts`): from source to a Plugin. */
import { pathToFileURL } from 'node:url'
import type { Plugin } from '../plugin.js'
import { AuthorPluginError, bundleAuthorPlugin, defaultPluginCache, type AuthorPluginBundle } from './author-plugin-bundle.js'

/** An author's plugin with what it was made of. */
export interface AuthorPlugin extends AuthorPluginBundle {
  plugin: Plugin
}

/** What may be chosen about loading. */
export interface AuthorPluginOptions {
  /** Where bundles are kept: its parent has to exist, and nobody else may be able to enter it. Default: one in the temporary directory. */
  cacheDirectory?: string
  /** How long the module itself may take (an `await` outside of functions). Default 10 000. */
  timeoutMs?: number
}

const IMPORT_MS = 10_000

/**
 * Loads an author's plugin from its TypeScript or JavaScript source. The same content is imported once per thread, and never unloaded: every other
 * version stays in memory. Throws AuthorPluginError (syntax, a missing import, a module that throws, no plugin), with the place in the author's source.
 */
export async function loadAuthorPlugin (file: string, options: AuthorPluginOptions = {}): Promise<AuthorPlugin> {
  const bundled = await bundleAuthorPlugin(file, options.cacheDirectory ?? defaultPluginCache())
  return { ...bundled, plugin: await importAuthorPlugin(bundled, options.timeoutMs) }
}

/** Imports a bundle that another thread has made and checked. Throws AuthorPluginError, also where the module waits for something longer than `timeoutMs`. */
export async function importAuthorPlugin (bundled: AuthorPluginBundle, timeoutMs: number = IMPORT_MS): Promise<Plugin> {
  const { file, files, bundle } = bundled
  let module: { default?: unknown }
  // The timer holds the process, which else would end without a word where nothing but this is waited for.
  let limit: NodeJS.Timeout | undefined
  const late = new Promise<never>((_resolve, reject) => {
    limit = setTimeout(() => { reject(new AuthorPluginError(`${file}: what its module waits for did not come within ${timeoutMs / 1_000} s`, { remedy: 'wait for it in create, or in a hook', files })) }, timeoutMs)
  })
  try {
    module = await Promise.race([import(moduleUrl(bundle)) as Promise<{ default?: unknown }>, late])
  } catch (error) {
    failures.set(bundle, (failures.get(bundle) ?? 0) + 1)
    if (error instanceof AuthorPluginError) throw error
    throw new AuthorPluginError(`${file}: it threw while it was loaded: ${describe(error, files)}`, { remedy: 'mend what it does outside of its hooks', files, cause: error })
  } finally {
    clearTimeout(limit)
  }
  const wrong = whatIsWrong(module.default)
  if (wrong !== null) throw new AuthorPluginError(`${file}: ${wrong}`, { remedy: 'write "export default definePlugin({ … })", with definePlugin from "sluice"', files })
  return module.default as Plugin
}

/** Node remembers that a module threw; one that failed for a passing reason needs another address to be tried again. */
const failures = new Map<string, number>()

function moduleUrl (bundle: string): string {
  const failed = failures.get(bundle)
  const { href } = pathToFileURL(bundle)
  return failed === undefined ? href : `${href}?attempt=${failed}`
}

/** The message, and the place in the author's own files that the stack names first. */
function describe (error: unknown, files: readonly string[]): string {
  if (!(error instanceof Error)) return String(error)
  for (const frame of (error.stack ?? '').split('\n').slice(1)) {
    const file = files.find((name) => frame.includes(`${name}:`))
    const place = file === undefined ? null : /^:\d+:\d+/.exec(frame.slice(frame.indexOf(file) + file.length))
    if (file !== undefined && place !== null) return `${error.message}, at ${file}${place[0]}`
  }
  return error.message
}

function whatIsWrong (value: unknown): string | null {
  if (value === undefined) return 'it has no default export'
  if (typeof value !== 'object' || value === null) return `its default export is a ${value === null ? 'null' : typeof value}, not a plugin`
  const { stages, config, create, body, stage } = value as Record<string, unknown>
  if (Array.isArray(stages) && typeof config === 'object' && typeof create === 'function' && typeof body === 'function' && Object.isFrozen(value)) return null
  return stage === undefined ? 'its default export is not a plugin' : 'its default export is a bare definition'
}
