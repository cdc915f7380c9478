import { Resolver } from 'node:dns'
import path from 'node:path'
import type { ConfigPath } from '../errors.js'
import { findCidrProblem } from '../lib/cidr.js'
import { hostProblem } from '../lib/host-name.js'
import type { CertificateConfig, GatewayConfig, ListenConfig } from '../route.js'
import { readDuration, readSize, resolveFile, type BuildContext } from './build-context.js'
import { buildPlugins } from './build-plugins.js'
import { DEFAULTS } from './defaults.js'
import { referencedTexts } from './each-reference.js'
import { pairProblem, pemProblem } from './pem.js'
import type { Raw, RawMap } from './raw.js'
import { GatewaySchema, ListenSchema, type RawGateway, type RawListen } from './schema.js'
import { validateLanguage } from './validate.js'

const LEAST_STORE_TIMEOUT_MS = 50

/** Builds what belongs to the gateway as a whole. A key that is wrong becomes findings and counts as left out. */
export function buildGateway (raw: RawMap, context: BuildContext): GatewayConfig {
  const { findings, originals } = context
  const valid: RawGateway = omit(raw, validateLanguage(GatewaySchema, raw, { at: [], originals, findings }))
  const listen: RawListen = valid.listen === undefined ? {} : omit(valid.listen as RawMap, validateLanguage(ListenSchema, valid.listen, { at: ['listen'], originals, findings }))
  const { admin, state, counters, requestId, accessLog, metrics } = valid
  if (metrics !== undefined && typeof metrics === 'object') checkBuckets(metrics.buckets ?? [], context)
  return {
    listen: buildListen(listen, context),
    admin: admin === false
      ? null
      : { host: admin?.host ?? DEFAULTS.admin.host, port: admin?.port ?? DEFAULTS.admin.port, tokenFile: admin?.tokenFile === undefined ? null : resolveFile(admin.tokenFile, ['admin', 'tokenFile'], context) },
    state: buildState(state, context),
    counters: counters !== undefined && 'redis' in counters ? { kind: 'redis', url: counters.redis.url } : { kind: 'local' },
    workers: valid.workers ?? 1,
    requestId: requestId === false ? false : { header: (typeof requestId === 'object' ? requestId.header?.toLowerCase() : undefined) ?? DEFAULTS.requestIdHeader },
    accessLog: accessLog === false ? false : buildAccessLog(typeof accessLog === 'object' ? accessLog : {}, context),
    metrics: metrics === false ? false : { buckets: (typeof metrics === 'object' ? metrics.buckets : undefined) ?? DEFAULTS.buckets },
    errorDocs: valid.errors?.docs ?? null,
    egress: { allow: readNetworks(valid.egress?.allow ?? [], ['egress', 'allow'], context) },
    baseDomain: readDomain(valid.baseDomain ?? DEFAULTS.baseDomain, context),
    projectPaths: typeof valid.projectPaths === 'string' ? valid.projectPaths : valid.projectPaths === true ? DEFAULTS.projectPaths : null,
    domains: { resolvers: readResolvers(valid.domains?.resolvers ?? [], context) },
    stopMs: readDuration(valid.stop?.timeout ?? DEFAULTS.stopTimeout, ['stop', 'timeout'], context),
    plugins: valid.plugins === undefined ? [] : buildPlugins(valid.plugins as Raw[], ['plugins'], context),
    ...referencedTexts({ plugins: raw['plugins'] ?? null }, originals)
  }
}

function buildState (raw: RawGateway['state'], context: BuildContext): GatewayConfig['state'] {
  const keyRing = raw?.keyRing === undefined ? null : resolveFile(raw.keyRing, ['state', 'keyRing'], context)
  if (raw !== undefined && 'mongodb' in raw) {
    const { url, poolSize, timeout, reportsFrom } = { ...DEFAULTS.mongodb, ...raw.mongodb }
    const at = ['state', 'mongodb', 'timeout']
    const timeoutMs = readDuration(timeout, at, context)
    if (timeoutMs < LEAST_STORE_TIMEOUT_MS) context.findings.add({ path: at, message: `no call of a store can be made within ${timeout}`, remedy: `write ${LEAST_STORE_TIMEOUT_MS}ms or more` })
    return { kind: 'mongodb', url, poolSize, timeoutMs, reportsFrom, keyRing }
  }
  const folder = resolveFile(raw?.embedded.path ?? DEFAULTS.statePath, ['state', 'embedded', 'path'], context)
  return { kind: 'embedded', path: folder, keyRing: keyRing ?? path.join(folder, DEFAULTS.keyRingFile) }
}

/** A map without the keys that something is wrong with. */
function omit (raw: RawMap, wrong: ReadonlySet<string | number>): RawMap {
  return Object.fromEntries(Object.entries(raw).filter(([key]) => !wrong.has(key)))
}

function buildListen (raw: RawListen, context: BuildContext): ListenConfig {
  const { findings } = context
  const limits = raw.limits ?? {}
  const duration = (key: 'headers' | 'bodyGrace' | 'stall' | 'keepAlive'): number => readDuration(limits[key] ?? DEFAULTS.limits[key], ['listen', 'limits', key], context)
  const size = (key: 'headerBytes' | 'urlBytes' | 'bodyRate'): number => readSize(limits[key] ?? DEFAULTS.limits[key], ['listen', 'limits', key], context)
  if (raw.redirectHttp !== undefined && raw.tls === undefined) {
    findings.add({ path: ['listen', 'redirectHttp'], message: 'redirectHttp leads to the TLS port, and there is none', remedy: 'add listen.tls, or take redirectHttp away' })
  }
  const { health } = raw
  return {
    host: raw.host ?? DEFAULTS.listen.host,
    port: raw.port ?? DEFAULTS.listen.port,
    tls: raw.tls === undefined
      ? null
      : {
          certificates: raw.tls.certificates.map((one, index) => buildCertificate(one, ['listen', 'tls', 'certificates', index], context)),
          minVersion: (raw.tls.minVersion ?? DEFAULTS.listen.minVersion) === '1.3' ? 'TLSv1.3' : 'TLSv1.2'
        },
    redirectHttp: raw.redirectHttp ?? null,
    trustedProxies: readNetworks(raw.trustedProxies ?? [], ['listen', 'trustedProxies'], context),
    keepRepeatedSlashes: raw.keepRepeatedSlashes ?? false,
    health: Array.isArray(health) ? health : health === true ? DEFAULTS.healthPaths : [],
    limits: {
      headerBytes: size('headerBytes'),
      headerFields: limits.headerFields ?? DEFAULTS.limits.headerFields,
      urlBytes: size('urlBytes'),
      headersMs: duration('headers'),
      bodyGraceMs: duration('bodyGrace'),
      stallMs: duration('stall'),
      bodyBytesPerSecond: size('bodyRate'),
      keepAliveMs: duration('keepAlive')
    }
  }
}

function buildCertificate (raw: { hosts?: string[], cert: string, key: string }, at: ConfigPath, context: BuildContext): CertificateConfig {
  const { findings } = context
  const read = (key: 'cert' | 'key'): { file: string, text: string | null } => {
    const file = resolveFile(raw[key], [...at, key], context)
    const content = context.readText(file)
    const wrong = 'problem' in content
      ? { message: `the file "${raw[key]}" can not be read: ${content.problem}`, remedy: 'name a PEM file, relative to this one' }
      : pemProblem(content.text, key === 'cert' ? 'certificate' : 'key')
    if (wrong !== null) findings.add({ path: [...at, key], ...wrong })
    return { file, text: 'text' in content ? content.text : null }
  }
  const cert = read('cert')
  const key = read('key')
  const wrong = cert.text === null || key.text === null ? null : pairProblem(cert.text, key.text)
  if (wrong !== null) findings.add({ path: [...at, 'key'], ...wrong })
  return { hosts: raw.hosts?.map((host) => host.toLowerCase()) ?? [], certFile: cert.file, keyFile: key.file }
}

/** A list of networks. A wrong entry is a finding and left out: what is built has to compile. */
function readNetworks (list: readonly string[], at: ConfigPath, { findings }: BuildContext): readonly string[] {
  return list.filter((entry, index) => {
    const problem = findCidrProblem(entry)
    if (problem !== null) findings.add({ path: [...at, index], ...problem })
    return problem === null
  })
}

function readDomain (text: string, { findings }: BuildContext): string {
  const domain = text.toLowerCase().replace(/\.$/, '')
  const problem = domain.startsWith('*') ? { message: `"${text}" is a pattern, not a domain`, remedy: 'write it without the "*."' } : hostProblem(domain)
  if (problem !== null) findings.add({ path: ['baseDomain'], ...problem })
  return domain
}

/** Servers as the resolver takes them. A wrong entry is a finding and left out. */
function readResolvers (list: readonly string[], { findings }: BuildContext): readonly string[] {
  return list.filter((entry, index) => {
    try {
      new Resolver().setServers([entry])
      return true
    } catch {
      findings.add({ path: ['domains', 'resolvers', index], message: `"${entry}" is not the address of a DNS server`, remedy: 'write an IP address, with a port where it is not 53: "192.0.2.53", "[2001:db8::53]:5353"' })
      return false
    }
  })
}

function buildAccessLog (raw: { sample?: number, redact?: string[], file?: string }, context: BuildContext): { sample: number, redact: readonly string[], file: string | null } {
  return {
    sample: raw.sample ?? 1,
    redact: [...new Set([...DEFAULTS.redact, ...(raw.redact ?? []).map((name) => name.toLowerCase())])],
    file: raw.file === undefined ? null : resolveFile(raw.file, ['accessLog', 'file'], context)
  }
}

function checkBuckets (buckets: readonly number[], { findings }: BuildContext): void {
  const wrong = buckets.findIndex((bound, index) => index > 0 && bound <= (buckets[index - 1] as number))
  if (wrong !== -1) findings.add({ path: ['metrics', 'buckets', wrong], message: `the bound ${buckets[wrong]} is not above the one before it`, remedy: 'sort the bounds, each once' })
}
