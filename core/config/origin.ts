import type { ConfigPath, Finding } from '../errors.js'
import { secretNames } from '../lib/secret-references.js'
import { PUBLIC_ONLY, targetProblem, type Egress } from '../lib/egress.js'
import type { ConfigOrigin } from '../route.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { REFERENCE } from './references.js'
import type { Registry } from './registry.js'
import { FileSchema, ProjectSchema } from './schema.js'
import { mayHoldSecret } from './secret-places.js'

/** Keys of a file that a project does not have. */
const GATEWAY_KEYS: ReadonlySet<string> = new Set(Object.keys(FileSchema.properties).filter((key) => !Object.hasOwn(ProjectSchema.properties, key)))

/**
 * What a project's text may not hold because of where it came from; paths begin at the project's keys. Nothing but an operator's file
 * has a folder that names of files could be relative to, or a process whose environment `${…}` could mean. A tenant may moreover not
 * run code of its own, use what is kept for operators, reach the gateway's own services or what `egress` does not allow, nor, where `hosts`
 * are given, name others than these. Takes any value: the schema is checked apart.
 */
export function checkOrigin (project: Raw, origin: ConfigOrigin, registry: Registry, egress: Egress = PUBLIC_ONLY, hosts: readonly string[] | null = null): Finding[] {
  if (origin === 'operator-file') return []
  const findings: Finding[] = []
  findReferences(project, [], findings)
  if (!isMap(project)) return findings
  for (const key of Object.keys(project)) {
    if (GATEWAY_KEYS.has(key)) findings.push({ path: [key], message: `"${key}" belongs to the gateway as a whole`, remedy: 'ask the operator to set it in the gateway\'s file' })
  }
  if (isMap(project.upstreams)) {
    for (const [name, upstream] of Object.entries(project.upstreams)) {
      if (isMap(upstream)) checkUpstream(upstream, ['upstreams', name], origin, egress, findings)
    }
  }
  const checkHosts = (list: Raw | undefined, at: ConfigPath): void => {
    if (origin === 'tenant' && hosts !== null && Array.isArray(list)) findForeignHosts(list, at, hosts, findings)
  }
  checkHosts(project.hosts, ['hosts'])
  checkPlugins(project.plugins, ['plugins'], origin, registry, findings)
  if (Array.isArray(project.routes)) {
    project.routes.forEach((route, index) => {
      if (!isMap(route)) return
      checkPlugins(route.plugins, ['routes', index, 'plugins'], origin, registry, findings)
      if (isMap(route.match)) checkHosts(route.match.hosts, ['routes', index, 'match', 'hosts'])
    })
  }
  return findings
}

function findReferences (value: Raw, path: ConfigPath, findings: Finding[]): void {
  if (typeof value === 'string') {
    if (value.includes('${')) checkReferences(value, path, findings)
  } else if (Array.isArray(value)) value.forEach((one, index) => { findReferences(one, [...path, index], findings) })
  else if (isMap(value)) for (const [key, one] of Object.entries(value)) findReferences(one, [...path, key], findings)
}

function checkReferences (text: string, path: ConfigPath, findings: Finding[]): void {
  for (const [whole, , , , secret] of text.matchAll(REFERENCE)) {
    if (whole === '$${') continue
    if (secret === undefined) {
      findings.push({ path, message: '"${" refers to the environment of the gateway, which is closed here', remedy: 'write the value itself, or "${secret:NAME}" in its place; "$${" is a literal "${"' })
      return
    }
    if (mayHoldSecret(path)) continue
    findings.push({ path, message: 'a secret can not stand here', remedy: 'secrets can stand in the settings of plugins, and in ca, cert and key of an upstream\'s tls' })
    return
  }
}

function findForeignHosts (list: readonly Raw[], at: ConfigPath, hosts: readonly string[], findings: Finding[]): void {
  list.forEach((host, index) => {
    if (typeof host !== 'string' || hosts.includes(host.toLowerCase().replace(/\.$/, ''))) return
    findings.push({ path: [...at, index], message: `"${host}" is not a verified domain of this project`, remedy: `claim and verify it first, or write one of: ${hosts.join(', ')}` })
  })
}

function checkTargets (targets: readonly Raw[], at: ConfigPath, egress: Egress, findings: Finding[]): void {
  targets.forEach((target, index) => {
    const url = isMap(target) ? target.url : target
    const problem = typeof url === 'string' ? targetProblem(url, egress) : null
    if (problem !== null) findings.push({ path: isMap(target) ? [...at, index, 'url'] : [...at, index], ...problem })
  })
}

function checkUpstream (upstream: RawMap, at: ConfigPath, origin: ConfigOrigin, egress: Egress, findings: Finding[]): void {
  if (origin === 'tenant' && Array.isArray(upstream.targets)) checkTargets(upstream.targets, [...at, 'targets'], egress, findings)

  if (origin === 'tenant' && upstream.builtin !== undefined) {
    findings.push({ path: [...at, 'builtin'], message: 'services of the gateway\'s own are kept for operators', remedy: 'name targets instead' })
  }
  const { tls } = upstream
  if (!isMap(tls)) return
  for (const key of ['ca', 'cert', 'key']) {
    const text = tls[key]
    if (typeof text === 'string' && !text.includes('-----BEGIN ') && secretNames(text).length === 0) findings.push({ path: [...at, 'tls', key], message: 'a file of the gateway can not be named here', remedy: 'write the PEM text itself' })
  }
}

function checkPlugins (list: Raw | undefined, at: ConfigPath, origin: ConfigOrigin, registry: Registry, findings: Finding[]): void {
  if (!Array.isArray(list)) return
  list.forEach((entry, index) => {
    const path = [...at, index]
    const names = typeof entry === 'string' ? [entry] : isMap(entry) ? Object.keys(entry) : []
    if (names.includes('use') && isMap(entry)) {
      findings.push({ path: [...path, 'use'], message: 'a plugin of one\'s own can not be named here', remedy: 'ask the operator to name it in the gateway\'s file' })
    }
    if (origin !== 'tenant') return
    for (const name of names) {
      if (registry.get(name)?.operatorOnly === true) findings.push({ path: isMap(entry) ? [...path, name] : path, message: `the plugin "${name}" is kept for operators`, remedy: 'take it away' })
    }
  })
}
