import path from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import { buildPlugins } from '../core/config/build-plugins.js'
import { createFindingList } from '../core/config/findings.js'
import { placeFindings } from '../core/config/parse-project.js'
import { parseYaml } from '../core/config/parse-yaml.js'
import { isMap, type Raw, type RawMap } from '../core/config/raw.js'
import { buildRegistry } from '../core/config/registry.js'
import type { Finding } from '../core/errors.js'
import type { GatewayConfig, PluginUse } from '../core/route.js'
import { plugins } from '../plugins/index.js'
import { restoreSecrets, secretsOf, type SecretDigest } from './config-secrets.js'
import { inheritedOf, shownInherited } from './inherited.js'

const LABEL = 'config'
const AT = ['inherited', 'plugins']

/**
 * The plugins of the gateway that a configuration is to be tried with: those that its `inherited` names in the place of the present ones. Null where it
 * names none, or the present ones as they are shown. With findings they can not be used. An author's own plugin is known by the name of its file, and
 * has the settings that it has now where nothing else is said.
 */
export function readTriedGateway (text: string, root: Pick<GatewayConfig, 'plugins' | 'referenced'>, digest: SecretDigest): { gateway: readonly PluginUse[] | null, findings: readonly Finding[] } {
  const parsed = parseYaml(text)
  const { inherited } = parsed.problems === null && isMap(parsed.value) ? parsed.value : {}
  if (!isMap(inherited) || !Array.isArray(inherited['plugins'])) return { gateway: null, findings: [] }
  const registry = buildRegistry(plugins)
  const { plugins: present } = root
  const shown = inheritedOf(present, registry, true)
  if (isDeepStrictEqual(inherited, shownInherited(root, true, digest)['inherited'])) return { gateway: null, findings: [] }
  const restored = restoreSecrets({ inherited }, secretsOf([shown]), digest)
  const list = (restored.value as { inherited: { plugins: Raw[] } }).inherited.plugins
  const findings = createFindingList()
  for (const finding of restored.findings) findings.add(finding)
  const nowhere = { directory: () => '/', readText: () => ({ problem: 'files are closed here' }) }
  const gateway = list.flatMap((entry, index) => {
    const at = [...AT, index]
    const file = isMap(entry) && typeof entry['use'] === 'string' ? path.basename(entry['use']) : null
    if (!isMap(entry) || file === null) {
      const ofEntry = createFindingList()
      const built = buildPlugins([entry], at, { origin: 'operator-api', registry, authorPlugins: new Map(), originals: new Map(), findings: ofEntry, ...nowhere })
      // In a list of its own it is the first.
      for (const finding of ofEntry.items) findings.add({ ...finding, path: [...at, ...finding.path.slice(at.length + 1)] })
      return built
    }
    const own = present.find(({ use, id, name }) => use !== null && path.basename(use) === file && id === (entry['id'] ?? name))
    if (own !== undefined) return [asWritten(own, entry)]
    findings.add({ path: at, message: `the gateway has no plugin of ${file} now, and can not try it`, remedy: 'give it the plugin first, or leave this one out of the plan' })
    return []
  })
  // A finding's place begins with `projects` and a name: this one has none.
  const wrong = findings.items.map((finding) => ({ ...finding, path: ['projects', LABEL, ...finding.path] }))
  return { gateway, findings: placeFindings({ text, label: LABEL }, wrong) }
}

/** A use of an author's plugin, whose schema is not at hand, with what is written in the place of what it has. */
function asWritten (use: PluginUse, { config, stage, locked }: RawMap): PluginUse {
  return {
    ...use,
    config: { ...use.config, ...isMap(config) ? config : {} },
    ...typeof stage === 'string' ? { stage: stage as NonNullable<PluginUse['stage']> } : {},
    locked: locked === true
  }
}
