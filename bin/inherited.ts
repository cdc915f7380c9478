import { isDeepStrictEqual } from 'node:util'
import { isMap, type Raw, type RawMap } from '../core/config/raw.js'
import { buildRegistry, type Registry } from '../core/config/registry.js'
import { writtenUse } from '../core/config/written-project.js'
import type { Finding } from '../core/errors.js'
import type { GatewayConfig, PluginUse } from '../core/route.js'
import { plugins } from '../plugins/index.js'
import { withDigests, type SecretDigest } from './config-secrets.js'
import { withStages } from './with-stages.js'

/** The key of a configuration in effect under which stands what is not the project's own. */
const KEY = 'inherited'

/**
 * The gateway's plugins as each of its projects inherits them, in the configuration language; nothing where there are none. What they are told is the
 * operators': others see which there are, in which stage, and whether they are locked.
 */
export function inheritedOf (gateway: readonly PluginUse[], registry: Registry, byOperator: boolean): RawMap {
  if (gateway.length === 0) return {}
  const { plugins: uses } = withStages({ plugins: gateway, routes: [] }, [], registry)
  const shown = uses.map((use): RawMap => byOperator ? writtenUse(use) : { [use.name]: null, ...use.id === use.name ? {} : { id: use.id }, ...use.stage === null ? {} : { stage: use.stage }, locked: use.locked })
  return { [KEY]: { plugins: shown } }
}

/** The same with secrets as digests. */
export function shownInherited ({ plugins: gateway, referenced }: Pick<GatewayConfig, 'plugins' | 'referenced'>, byOperator: boolean, digest: SecretDigest): RawMap {
  return withDigests(inheritedOf(gateway, buildRegistry(plugins), byOperator), digest, referenced)
}

/** A configuration without what it inherits. */
export function withoutInherited<T extends Readonly<Record<string, unknown>>> (config: T): Omit<T, typeof KEY> {
  const { [KEY]: _, ...own } = config
  return own
}

/** Whether a change is one of what a project inherits. */
export function isInherited ({ path: [section] }: { readonly path: readonly string[] }): boolean {
  return section === KEY
}

/** What somebody sends back of a configuration that they were shown: its own. What it inherits may stand there as it was shown, and says nothing; else it is a finding. `shown` is null where it is tried. */
export function takeOwn (value: Raw, shown: RawMap | null): { value: Raw, findings: readonly Finding[] } {
  if (!isMap(value) || value[KEY] === undefined) return { value, findings: [] }
  if (shown === null || isDeepStrictEqual(value[KEY], shown[KEY])) return { value: withoutInherited(value) as RawMap, findings: [] }
  return { value: withoutInherited(value) as RawMap, findings: [{ path: [KEY], message: 'what a project inherits is the gateway\'s, and is another now', remedy: `leave "${KEY}" out; operators change it under "plugins" of the gateway` }] }
}
