import { importAuthorPlugin, loadAuthorPlugin } from '../core/config/author-plugin.js'
import { loadConfig, type LoadedConfig } from '../core/config/load.js'
import { buildRegistry } from '../core/config/registry.js'
import { ConfigError, type Finding } from '../core/errors.js'
import { Gateway } from '../core/gateway.js'
import type { Logger } from '../core/host.js'
import { TlsContext } from '../core/listen/tls-context.js'
import { createMetrics } from '../core/observe/metrics.js'
import type { Plugin } from '../core/plugin.js'
import { plugins } from '../plugins/index.js'
import { createEcho } from '../routes/builtin/echo.js'
import { createChecks } from './checks.js'

/** What is to be compiled, and for what. */
export interface CompileConfigOptions {
  file: string
  environment: string | null
  env: Readonly<Record<string, string | undefined>>
  log: Logger
  /** Starts the builtin upstreams that the configuration uses; without, requests can not be sent. */
  startBuiltins: boolean
  operatorToken: string | null
}

/** A configuration as it would serve, without a port. Whoever compiles it closes it. */
export interface CompiledConfig {
  readonly loaded: LoadedConfig
  readonly gateway: Gateway
  close (): Promise<void>
}

/** In the place of a builtin that is not started: no request is sent there. */
const NOT_STARTED = 'http://127.0.0.1:9'

/** Loads a configuration as the commands see it: in this thread, once. Findings name files as `file` does. */
export function loadForCommand (file: string, environment: string | null, env: CompileConfigOptions['env']): Promise<LoadedConfig> {
  // What an author's plugin throws is told with the line of its source.
  process.setSourceMapsEnabled(true)
  const registry = buildRegistry(plugins)
  return loadConfig({ file, environment, env, registry, checks: createChecks(registry), loadAuthorPlugin })
}

/** Loads and compiles a configuration as `start` does. Throws ConfigError with all that is wrong, each at its place. */
export async function compileConfig (options: CompileConfigOptions): Promise<CompiledConfig> {
  const { file, environment, env, log } = options
  const loaded = await loadForCommand(file, environment, env)
  if (loaded.findings.length > 0) throw new ConfigError(loaded.findings)
  const { root, rootHash, projects } = loaded
  if (root.listen.tls !== null) checkCertificates(root.listen.tls, loaded)
  const usesEcho = [...projects.values()].some(({ config }) => Object.values(config.upstreams).some(({ builtin }) => builtin === 'echo'))
  const echo = options.startBuiltins && usesEcho ? await createEcho() : null
  const gateway = new Gateway({
    registry: new Map(plugins.map((plugin) => [plugin.name, plugin])),
    log,
    accessLog: null,
    metrics: createMetrics(false),
    operatorToken: options.operatorToken,
    builtinUrl: () => echo?.url ?? NOT_STARTED
  })
  const close = async (): Promise<void> => {
    await gateway.close()
    await echo?.close()
  }
  try {
    const authorPlugins = new Map<string, Plugin>()
    for (const [path, bundle] of loaded.authorPlugins) authorPlugins.set(path, await importAuthorPlugin(bundle))
    const hashes = new Map([...projects].map(([name, { hash }]) => [name, hash]))
    await gateway.apply({ root, rootHash, hashes, changed: [[...projects.values()]], authorPlugins })
    return { loaded, gateway, close }
  } catch (error) {
    await close()
    throw error instanceof ConfigError ? new ConfigError(error.findings.map((finding) => placed(finding, loaded))) : error
  }
}

// That they belong together is known by now; not that OpenSSL takes them (a key may be too short for its security level).
function checkCertificates (tls: ConstructorParameters<typeof TlsContext>[0], loaded: LoadedConfig): void {
  try {
    new TlsContext(tls)
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error)
    const [, message = text, remedy = 'name a certificate and a key that can be used'] = /^([^]*) \(([^()]*)\)$/.exec(text) ?? []
    throw new ConfigError([placed({ path: ['listen', 'tls'], message, remedy }, loaded)])
  }
}

function placed (finding: Finding, { locate }: LoadedConfig): Finding {
  const position = finding.position ?? locate(finding.path)
  return finding.related === undefined ? { ...finding, position } : { ...finding, position, related: finding.related.map((other) => ({ ...other, position: other.position ?? locate(other.path) })) }
}
