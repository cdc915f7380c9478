import type { ConfigPath } from '../errors.js'
import { secretNames } from '../lib/secret-references.js'
import type { RouteTimeouts, TargetConfig, UpstreamConfig, UpstreamTlsConfig } from '../route.js'
import { readDuration, resolveFile, type BuildContext } from './build-context.js'
import { DEFAULTS } from './defaults.js'
import { pairProblem, pemProblem } from './pem.js'
import { showText } from './secrets.js'
import type { RawUpstream } from './schema.js'

const { upstreamTimeouts } = DEFAULTS

/** An upstream from what is valid of its raw value; `wrong` are the keys that are not. `texts` learns the content of the files that it names. */
export function buildUpstream (name: string, raw: RawUpstream, at: ConfigPath, { texts, wrong }: { texts: string[], wrong: ReadonlySet<string | number> }, context: BuildContext): UpstreamConfig {
  const { findings } = context
  // One that is misspelt, or wrong, is a finding already.
  if (wrong.size === 0 && (raw.targets === undefined) === (raw.builtin === undefined)) {
    findings.add({
      path: at,
      message: raw.targets === undefined ? `the upstream "${name}" has no targets` : `the upstream "${name}" has both targets and builtin`,
      remedy: raw.targets === undefined ? 'add for example targets: [ "http://127.0.0.1:9001" ], or builtin: echo' : 'keep one of them'
    })
  }
  const targets = (raw.targets ?? []).map((target, index) => readTarget(target, [...at, 'targets', index], context))
  if (targets.length > 0 && targets.every(({ weight }) => weight === 0)) {
    findings.add({ path: [...at, 'targets'], message: 'every target has the weight 0, so that none gets a request', remedy: 'give one a weight of 1 or more' })
  }
  const timeouts = raw.timeouts ?? {}
  const duration = (key: 'connect' | keyof typeof upstreamTimeouts): number => readDuration(timeouts[key] ?? upstreamTimeouts[key], [...at, 'timeouts', key], context)
  const host = raw.host ?? DEFAULTS.upstreamHost
  if (/[\s/@]/.test(host)) findings.add({ path: [...at, 'host'], message: `"${host}" can not stand in a Host header`, remedy: 'write preserve, target, or a name like api.internal:8080' })
  return {
    name,
    targets,
    builtin: raw.builtin ?? null,
    host: host === 'preserve' || host === 'target' ? host : { literal: host },
    connectMs: duration('connect'),
    timeouts: { headersMs: duration('headers'), idleMs: duration('idle'), totalMs: duration('total') } satisfies RouteTimeouts,
    connections: raw.connections ?? null,
    tls: raw.tls === undefined ? null : readTls(raw.tls, [...at, 'tls'], texts, context),
    at
  }
}

function readTarget (target: string | { url: string, weight?: number }, at: ConfigPath, { findings }: BuildContext): TargetConfig {
  const { url, weight } = typeof target === 'string' ? { url: target, weight: 1 } : { url: target.url, weight: target.weight ?? 1 }
  const place = typeof target === 'string' ? at : [...at, 'url']
  const wrong = (what: string, remedy: string): TargetConfig => {
    findings.add({ path: place, message: `"${showText(url, null, undefined)}" ${what}`, remedy })
    return { url, weight }
  }
  if (!URL.canParse(url)) return wrong('is not an address', 'write for example "http://127.0.0.1:9001"')
  const parsed = new URL(url)
  if (parsed.username !== '' || parsed.password !== '') return wrong('holds a user or password', 'set an Authorization header with the "headers" plugin instead')
  if (url.includes('?') || url.includes('#')) return wrong('holds a query or fragment', 'end it with the path')
  if (parsed.port === '0') return wrong('names the port 0, on which nothing can listen', 'write the port of the service, or leave it out for 80 (http) or 443 (https)')
  const pathname = parsed.pathname.replace(/\/+$/, '')
  return { url: parsed.origin + pathname, weight }
}

function readTls (raw: NonNullable<RawUpstream['tls']>, at: ConfigPath, texts: string[], context: BuildContext): UpstreamTlsConfig {
  const { findings } = context
  const pem = (key: 'ca' | 'cert' | 'key'): string | null => {
    const value = raw[key]
    if (value === undefined) return null
    if (context.secretsKept === true && secretNames(value).length > 0) return value
    const content = value.includes('-----BEGIN ') ? { text: value } : context.readText(resolveFile(value, [...at, key], context))
    const wrong = 'problem' in content
      ? { message: `the file "${value}" can not be read: ${content.problem}`, remedy: 'name a PEM file, relative to this one' }
      : pemProblem(content.text, key === 'key' ? 'key' : 'certificate')
    if (wrong !== null) findings.add({ path: [...at, key], ...wrong })
    if (!('text' in content)) return null
    if (content.text !== value) texts.push(content.text)
    return content.text
  }
  if ((raw.cert === undefined) !== (raw.key === undefined)) {
    findings.add({ path: at, message: raw.cert === undefined ? 'there is a key without its certificate' : 'there is a certificate without its key', remedy: 'give both cert and key' })
  }
  const cert = pem('cert')
  const key = pem('key')
  const wrong = cert === null || key === null ? null : pairProblem(cert, key)
  if (wrong !== null) findings.add({ path: [...at, 'key'], ...wrong })
  return { ca: pem('ca'), cert, key, serverName: raw.serverName ?? null, verify: raw.verify ?? true }
}
