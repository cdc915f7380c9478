import type { FileProject } from '../core/config/file-project.js'
import type { RawMap } from '../core/config/raw.js'
import { buildRegistry } from '../core/config/registry.js'
import { writtenProject } from '../core/config/written-project.js'
import type { GatewayConfig, ProjectConfig } from '../core/route.js'
import { plugins } from '../plugins/index.js'
import { withDigests, type SecretDigest } from './config-secrets.js'
import { inheritedOf } from './inherited.js'
import { authoredLookup, withStages } from './with-stages.js'

/** A project of files in the configuration language as `effectiveConfig` has those of the store, for operators: what references gave is hidden wherever a secret may stand. */
export function effectiveFileProject (config: ProjectConfig, { gateway, stages }: Pick<FileProject, 'gateway' | 'stages'>, root: GatewayConfig, digest: SecretDigest): RawMap {
  const registry = buildRegistry(plugins)
  const outer = gateway ?? root.plugins
  return withDigests({ ...writtenProject(withStages(config, outer, registry, authoredLookup(stages))), ...inheritedOf(outer, registry, true) }, digest, [...config.referenced ?? [], ...root.referenced ?? []])
}
