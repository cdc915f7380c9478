import { oneSpelling } from '../lib/schema-types.js'
import { formatDuration } from '../lib/units.js'
import type { AccessLogTuning, PluginUse, ProjectConfig, Rewrite, RouteConfig, RouteMatch, RouteTimeouts, UpstreamConfig, UpstreamTlsConfig, ValueMatch } from '../route.js'
import type { Raw, RawMap } from './raw.js'
import { ID_PATTERN } from './schema-fields.js'

const ID = new RegExp(ID_PATTERN)

/**
 * A built project in the configuration language, in one form: every default written out (those of plugins too), short forms long, durations, sizes and
 * rates in their largest unit, what has no order sorted, routes with their ids. Two projects that serve alike are written alike, and what is written
 * here builds a project again that serves the same.
 */
export function writtenProject ({ hosts, basePath, upstreams, plugins, plans, routes, accessLog }: ProjectConfig): RawMap {
  return {
    hosts: setOf(hosts),
    basePath,
    upstreams: mapOf(upstreams, writtenUpstream),
    plugins: plugins.map(writtenUse),
    plans: mapOf(plans, (limits) => mapOf(limits, (limit) => oneSpelling('rate', limit) as Raw)),
    routes: routes.map(writtenRoute),
    accessLog: writtenTuning(accessLog)
  }
}

function writtenUpstream ({ targets, builtin, host, connections, connectMs, timeouts, tls }: UpstreamConfig): RawMap {
  return {
    ...builtin === null ? { targets: targets.map(({ url, weight }) => weight === 1 ? url : { url, weight }) } : { builtin },
    host: typeof host === 'string' ? host : host.literal,
    ...connections === null ? {} : { connections },
    timeouts: { connect: formatDuration(connectMs), ...writtenTimeouts(timeouts) },
    ...tls === null ? {} : writtenTls(tls)
  }
}

function writtenTls ({ verify, ...texts }: UpstreamTlsConfig): RawMap {
  const given = Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== null))
  // What says nothing but defaults is as if it were not there.
  return verify && Object.keys(given).length === 0 ? {} : { tls: { ...given, verify } }
}

function writtenTimeouts ({ headersMs, idleMs, totalMs }: Partial<RouteTimeouts>): RawMap {
  return {
    ...headersMs === undefined ? {} : { headers: formatDuration(headersMs) },
    ...idleMs === undefined ? {} : { idle: formatDuration(idleMs) },
    ...totalMs === undefined ? {} : { total: formatDuration(totalMs) }
  }
}

function writtenRoute ({ id, match, upstream, rewrite, plugins, timeouts, allowEncodedSlashes, upgrades, upgradeIdleMs, accessLog }: RouteConfig): RawMap {
  return {
    // One that was made of a path may be longer than a written one can be: it is made again.
    ...ID.test(id) ? { id } : {},
    match: writtenMatch(match),
    ...upstream === null ? {} : { upstream },
    ...writtenRewrite(rewrite),
    plugins: plugins.map(writtenUse),
    ...Object.keys(timeouts).length === 0 ? {} : { timeouts: writtenTimeouts(timeouts) },
    allowEncodedSlashes,
    upgrades: setOf(upgrades),
    upgradeIdle: formatDuration(upgradeIdleMs),
    accessLog: writtenTuning(accessLog)
  }
}

function writtenMatch ({ path, pathRegex, methods, hosts, headers, query }: RouteMatch): RawMap {
  return {
    ...path === null ? {} : { path },
    ...pathRegex === null ? {} : { pathRegex },
    ...methods === null ? {} : { methods: setOf(methods) },
    ...hosts === null ? {} : { hosts: setOf(hosts) },
    ...Object.keys(headers).length === 0 ? {} : { headers: mapOf(headers, writtenValue) },
    ...Object.keys(query).length === 0 ? {} : { query: mapOf(query, writtenValue) }
  }
}

function writtenValue (value: ValueMatch): Raw {
  switch (value.kind) {
    case 'exact': return value.value
    case 'regex': return { regex: value.pattern }
    default: return value.kind === 'present'
  }
}

function writtenRewrite (rewrite: Rewrite): RawMap {
  if (rewrite.kind === 'none') return {}
  return { rewrite: rewrite.kind === 'template' ? rewrite.template : { stripPrefix: true } }
}

/** One entry of a `plugins` list as `writtenProject` has it. What removes another has nothing of its own to say. */
export function writtenUse ({ name, id, use, remove, config, stage, locked, timeoutMs }: PluginUse): RawMap {
  if (remove) return { [name]: false, ...id === name ? {} : { id } }
  const own = structuredClone(config) as RawMap
  return {
    ...use === null ? { [name]: own } : { use, config: own },
    ...id === name ? {} : { id },
    ...stage === null ? {} : { stage },
    locked,
    timeout: formatDuration(timeoutMs)
  }
}

function writtenTuning (tuning: AccessLogTuning | false): Raw {
  if (tuning === false) return false
  return tuning.sample === undefined ? true : { sample: tuning.sample }
}

/** A list whose order means nothing. */
function setOf (list: readonly string[]): string[] {
  return [...new Set(list)].sort()
}

function mapOf<T> (map: Readonly<Record<string, T>>, write: (value: T) => Raw): RawMap {
  return Object.fromEntries(Object.entries(map).map(([name, value]) => [name, write(value)]))
}
