import type { ConfigPath } from '../errors.js'
import type { AccessLogTuning, Rewrite, RouteConfig, RouteMatch, RouteTimeouts, ValueMatch } from '../route.js'
import { readDuration, type BuildContext } from './build-context.js'
import { buildPlugins } from './build-plugins.js'
import { NO_VALUES, USUAL_ROUTE } from './packed-route.js'
import type { Raw } from './raw.js'
import type { RawRoute } from './schema.js'

const { rewrite: NONE } = USUAL_ROUTE

/** A route from its validated raw value; its id is still what the config gives, or `''`. */
export function buildRoute (raw: RawRoute, at: ConfigPath, context: BuildContext): RouteConfig {
  return {
    id: raw.id ?? '',
    match: readMatch(raw.match, at, context),
    upstream: raw.upstream ?? null,
    rewrite: readRewrite(raw.rewrite),
    plugins: raw.plugins === undefined ? USUAL_ROUTE.plugins : buildPlugins(raw.plugins as Raw[], [...at, 'plugins'], context),
    timeouts: raw.timeouts === undefined ? USUAL_ROUTE.timeouts : readTimeouts(raw.timeouts, [...at, 'timeouts'], context),
    allowEncodedSlashes: raw.allowEncodedSlashes ?? false,
    upgrades: raw.upgrades?.map((token) => token.toLowerCase()) ?? USUAL_ROUTE.upgrades,
    upgradeIdleMs: raw.upgradeIdle === undefined ? USUAL_ROUTE.upgradeIdleMs : readDuration(raw.upgradeIdle, [...at, 'upgradeIdle'], context),
    accessLog: readTuning(raw.accessLog),
    at
  }
}

/** What a project or route says about its access-log records. */
export function readTuning (raw: boolean | { sample?: number } | undefined): AccessLogTuning | false {
  if (raw === false) return false
  return raw === undefined || raw === true || raw.sample === undefined ? USUAL_ROUTE.accessLog : { sample: raw.sample }
}

function readMatch (raw: RawRoute['match'], at: ConfigPath, context: BuildContext): RouteMatch {
  return {
    path: raw.path ?? null,
    pathRegex: raw.pathRegex ?? null,
    methods: raw.methods?.map((method) => method.toUpperCase()) ?? null,
    hosts: raw.hosts?.map((host) => host.toLowerCase()) ?? null,
    headers: raw.headers === undefined ? NO_VALUES : readHeaders(raw.headers, [...at, 'match', 'headers'], context),
    query: raw.query === undefined ? NO_VALUES : Object.fromEntries(Object.entries(raw.query).map(([name, value]) => [name, readValue(value)]))
  }
}

type RawValueMatch = string | boolean | { regex: string }

function readHeaders (raw: Readonly<Record<string, RawValueMatch>>, at: ConfigPath, { findings }: BuildContext): Record<string, ValueMatch> {
  const result = new Map<string, ValueMatch>()
  for (const [name, value] of Object.entries(raw)) {
    const lower = name.toLowerCase()
    if (result.has(lower)) findings.add({ path: [...at, name], onKey: true, message: `the header "${lower}" stands here twice`, remedy: 'header names have no case: keep one' })
    else if (name.includes('_')) findings.add({ path: [...at, name], onKey: true, message: `the header "${name}" never arrives: names with an underscore are dropped`, remedy: `write "${name.replaceAll('_', '-')}"` })
    result.set(lower, readValue(value))
  }
  return Object.fromEntries(result)
}

function readValue (raw: RawValueMatch): ValueMatch {
  if (raw === true) return { kind: 'present' }
  if (raw === false) return { kind: 'absent' }
  return typeof raw === 'string' ? { kind: 'exact', value: raw } : { kind: 'regex', pattern: raw.regex }
}

function readRewrite (raw: RawRoute['rewrite']): Rewrite {
  if (raw === undefined) return NONE
  if (typeof raw === 'string') return { kind: 'template', template: raw }
  if ('template' in raw) return { kind: 'template', template: raw.template }
  return raw.stripPrefix ? { kind: 'stripPrefix' } : NONE
}

function readTimeouts (raw: NonNullable<RawRoute['timeouts']>, at: ConfigPath, context: BuildContext): Partial<RouteTimeouts> {
  const result: Partial<RouteTimeouts> = {}
  if (raw.headers !== undefined) result.headersMs = readDuration(raw.headers, [...at, 'headers'], context)
  if (raw.idle !== undefined) result.idleMs = readDuration(raw.idle, [...at, 'idle'], context)
  if (raw.total !== undefined) result.totalMs = readDuration(raw.total, [...at, 'total'], context)
  return result
}
