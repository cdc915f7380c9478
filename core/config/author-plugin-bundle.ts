/** An author's TypeScript plugin as one JavaScript module in a private cache, named by its content. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile, rename, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import type { BuildFailure, BuildOptions, Message, Plugin as EsbuildPlugin } from 'esbuild'
import type { Position } from '../errors.js'
import { ensurePrivateDirectory, userId } from '../lib/private-directory.js'
import { pruneBundles, touchBundle } from './prune-bundles.js'

/** A bundle that is ready to be imported. */
export interface AuthorPluginBundle {
  /** The author's file, absolute. */
  file: string
  /** SHA-256 of the bundle, hex. */
  hash: string
  /** The module: absolute, named by the hash. */
  bundle: string
  /** Every file that went into it, absolute, the author's file first; a change to any of them may make another bundle. */
  files: string[]
}

/** Why an author's plugin can not be loaded. Its message begins with `file:line:column` of the author's source where that is known. */
export class AuthorPluginError extends Error {
  /** What to do, without a full stop. */
  readonly remedy: string
  /** In the author's source; null where it is about the file as a whole. */
  readonly position: Position | null
  /** The files that were read before it failed: a change to one of them may mend it. */
  readonly files: readonly string[]

  constructor (message: string, init: { remedy: string, position?: Position | null, files: readonly string[], cause?: unknown }) {
    super(message, init.cause === undefined ? undefined : { cause: init.cause })
    this.name = 'AuthorPluginError'
    this.remedy = init.remedy
    this.position = init.position ?? null
    this.files = init.files
  }
}

/** Where bundles are kept unless something else is said: a directory of this user's own in the temporary one. */
export function defaultPluginCache (): string {
  return path.join(tmpdir(), `sluice-plugins-${userId()}`)
}

/**
 * Bundles an author's plugin into `cacheDirectory` and says where. `sluice` and `sluice/testing` are not bundled but become this installation's own
 * modules, so that there is one `Reply` class; other packages are. Throws AuthorPluginError for what the author can mend, Error where the cache is unusable.
 */
export async function bundleAuthorPlugin (file: string, cacheDirectory: string): Promise<AuthorPluginBundle> {
  const source = path.resolve(file)
  await ensurePrivateDirectory(cacheDirectory)
  const read = new Set([source])
  const { code, map } = await build(source, cacheDirectory, read)
  const content = `${code}//# sourceMappingURL=data:application/json;base64,${Buffer.from(absoluteSources(map, cacheDirectory)).toString('base64')}\n`
  const hash = createHash('sha256').update(content).digest('hex')
  const bundle = path.join(cacheDirectory, `${hash}.mjs`)
  await keep(bundle, content)
  await pruneBundles(cacheDirectory)
  return { file: source, hash, bundle, files: [...read] }
}

/** How many builds esbuild's process is busy with. */
let building = 0

async function build (source: string, cacheDirectory: string, read: Set<string>): Promise<{ code: string, map: string }> {
  // Loaded on first use: esbuild starts a process of its own, and most gateways have no author's plugin.
  const esbuild = await import('esbuild')
  const url = JSON.stringify(pathToFileURL(source).href)
  const options: BuildOptions & { write: false } = {
    entryPoints: [source],
    absWorkingDir: path.dirname(source),
    outfile: path.join(cacheDirectory, 'plugin.mjs'),
    bundle: true,
    write: false,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    sourcemap: 'external',
    sourcesContent: true,
    logLevel: 'silent',
    // The bundle lies elsewhere: what the author looks up beside the plugin has to be found from the plugin's own place.
    define: { 'import.meta.url': url, 'import.meta.filename': JSON.stringify(source), 'import.meta.dirname': JSON.stringify(path.dirname(source)) },
    // CommonJS packages call `require` for Node's own modules, which a module does not have.
    banner: { js: `import { createRequire as sluiceCreateRequire } from 'node:module'; const require = sluiceCreateRequire(${url});` },
    plugins: [ownModules(), recordReads(read)]
  }
  building++
  try {
    const { outputFiles } = await esbuild.build(options)
    const text = (suffix: string): string => outputFiles.find((output) => output.path.endsWith(suffix))?.text ?? ''
    return { code: text('.mjs'), map: text('.mjs.map') }
  } catch (error) {
    const messages = (error as Partial<BuildFailure>).errors
    if (messages === undefined || messages.length === 0) throw error
    throw buildError(source, messages, read)
  } finally {
    // Its process costs memory, and a thread that is ended while it has a child leaves a zombie behind.
    if (--building === 0) await esbuild.stop()
  }
}

function ownModules (): EsbuildPlugin {
  const modules: Readonly<Record<string, string>> = { sluice: '../index.js', 'sluice/testing': '../testing.js' }
  return {
    name: 'sluice-own-modules',
    setup (builder) {
      builder.onResolve({ filter: /^sluice(\/|$)/ }, ({ path: name }) => {
        const target = modules[name]
        if (target === undefined) return { errors: [{ text: `"${name}" is not offered to plugins; import from "sluice" or "sluice/testing"` }] }
        return { path: new URL(target, import.meta.url).href, external: true }
      })
    }
  }
}

function recordReads (read: Set<string>): EsbuildPlugin {
  return {
    name: 'sluice-record-reads',
    setup (builder) {
      builder.onLoad({ filter: /.*/, namespace: 'file' }, ({ path: file }) => {
        read.add(file)
        return undefined
      })
    }
  }
}

function buildError (source: string, messages: readonly Message[], read: ReadonlySet<string>): AuthorPluginError {
  const directory = path.dirname(source)
  const positions = messages.map(({ location }): Position | null => location === null
    ? null
    : {
        file: path.resolve(directory, location.file),
        line: location.line,
        // esbuild counts columns from 0 and in UTF-8 bytes.
        column: Buffer.from(location.lineText).subarray(0, location.column).toString().length + 1
      })
  const lines = messages.map(({ text }, index) => {
    const at = positions[index]
    return at === null || at === undefined ? `${source}: ${text}` : `${at.file}:${at.line}:${at.column}: ${text}`
  })
  const files = new Set([...read, ...positions.flatMap((at) => at === null ? [] : [at.file])])
  const missing = messages.some(({ text }) => text.startsWith('Could not resolve'))
  const remedy = missing ? 'check the path, or install the package where the plugin can find it' : 'mend the source'
  return new AuthorPluginError(lines.join('; '), { remedy, position: positions[0] ?? null, files: [...files] })
}

function absoluteSources (map: string, cacheDirectory: string): string {
  const parsed = JSON.parse(map) as { sources: string[] }
  const base = `${pathToFileURL(cacheDirectory).href}/`
  return JSON.stringify({ ...parsed, sources: parsed.sources.map((source) => new URL(source, base).href) })
}

/** Puts the bundle in its place as a whole or not at all: another process may be importing it. */
async function keep (bundle: string, content: string): Promise<void> {
  const present = await readFile(bundle, 'utf8').catch(() => null)
  if (present === content) {
    await touchBundle(bundle)
    return
  }
  const partial = `${bundle}.${randomBytes(6).toString('hex')}`
  await writeFile(partial, content, { mode: 0o600, flag: 'wx' })
  await rename(partial, bundle)
}
