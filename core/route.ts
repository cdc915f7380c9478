/**
 * The configuration as the engines read it: validated, defaults filled, durations in milliseconds, sizes in bytes.
 * Plain data (it crosses threads). `core/config` makes it from YAML; the pipeline, the proxy and the assembly read it.
 */
import type { ConfigPath } from './errors.js'

/** The stages of a pipeline, in the order in which they run. */
export const STAGES = ['edge', 'authenticate', 'authorize', 'limit', 'validate', 'transform', 'cache', 'upstream'] as const

/** A stage of the pipeline. */
export type Stage = typeof STAGES[number]

/**
 * Who wrote a piece of configuration. What it may contain depends on it: an operator may name files, code and any upstream,
 * a tenant writes a smaller language.
 */
export type ConfigOrigin = 'operator-file' | 'operator-api' | 'tenant'

/** One entry of a `plugins` list. */
export interface PluginUse {
  /** The plugin's name; for `use: ./file.ts` the name that its definition gives, filled when it is loaded. */
  name: string
  /** Tells two uses of one plugin apart; the name where the config gives none. */
  id: string
  /** Whether the config gave the id: two uses of one plugin in one list need it. */
  hasId: boolean
  /** An author's own plugin: the absolute path of its file. */
  use: string | null
  /** `name: false`: removes an outer level's use of the same name and id. */
  remove: boolean
  /** The plugin's own keys, validated and with defaults. */
  config: Record<string, unknown>
  stage: Stage | null
  locked: boolean
  /** How long the engine waits for one hook of it. */
  timeoutMs: number
  /** Where the config has it. */
  at: ConfigPath
}

/** How a header or a query parameter must look for a route to match. */
export type ValueMatch =
  | { kind: 'exact', value: string }
  | { kind: 'present' }
  | { kind: 'absent' }
  | { kind: 'regex', pattern: string }

/** What a route matches. */
export interface RouteMatch {
  /** `/a/b`, `/orders/:id`, `/a/*`; null where pathRegex is given. Relative to the project's basePath. */
  path: string | null
  /** RE2 syntax, anchored on both sides, against the path below basePath. */
  pathRegex: string | null
  /** Upper-case; null = any. */
  methods: readonly string[] | null
  /** Lower-case host names or `*.suffix`; null = any of the project's. */
  hosts: readonly string[] | null
  /** Lower-case header names. */
  headers: Readonly<Record<string, ValueMatch>>
  query: Readonly<Record<string, ValueMatch>>
}

/** How the path is changed before it is forwarded. */
export type Rewrite =
  | { kind: 'none' }
  /** Takes away the literal part of the route's path (with the basePath). */
  | { kind: 'stripPrefix' }
  /** `/v2/:id/*`: `:name` and `*` stand for what the route's path matched. */
  | { kind: 'template', template: string }

/** Time limits of one exchange, in milliseconds. 0 = none. */
export interface RouteTimeouts {
  headersMs: number
  idleMs: number
  totalMs: number
}

/** One route of a project. */
export interface RouteConfig {
  /** Unique in its project; given, or made of method and path. */
  id: string
  match: RouteMatch
  /** A name of the project's `upstreams`; null where a plugin answers. */
  upstream: string | null
  rewrite: Rewrite
  plugins: readonly PluginUse[]
  /** What this route says; undefined = what its upstream says. */
  timeouts: Partial<RouteTimeouts>
  /** Whether `%2F` and `%5C` may stand in a path (never decoded). */
  allowEncodedSlashes: boolean
  /** Upgrade tokens beside `websocket` that this route lets through, lower-case. */
  upgrades: readonly string[]
  /** How long an upgraded connection may be silent. */
  upgradeIdleMs: number
  accessLog: AccessLogTuning | false
  at: ConfigPath
}

/** What a route or project may say about its access-log records. */
export interface AccessLogTuning {
  /** 0 to 1; undefined = the gateway's. */
  sample?: number
}

/** One server behind an upstream. */
export interface TargetConfig {
  /** `http://host:port` or `https://host:port`, with an optional path that is put before the forwarded one. */
  url: string
  weight: number
}

/** TLS towards an upstream. PEM texts, not paths. */
export interface UpstreamTlsConfig {
  ca: string | null
  cert: string | null
  key: string | null
  serverName: string | null
  verify: boolean
}

/** A named upstream of a project. */
export interface UpstreamConfig {
  name: string
  /** Empty where `builtin` is given. */
  targets: readonly TargetConfig[]
  /** `echo`: a service of the gateway's own, started on loopback. */
  builtin: string | null
  /** The Host header that the upstream sees: the client's, the target's, or this text. */
  host: 'preserve' | 'target' | { literal: string }
  connectMs: number
  timeouts: RouteTimeouts
  /** The most connections to one target; null = as many as needed. */
  connections: number | null
  tls: UpstreamTlsConfig | null
  at: ConfigPath
}

/** Texts that references of files gave where a secret may stand, each with the key that it stands under: whoever shows a configuration hides them. */
export type ReferencedTexts = readonly (readonly [key: string, text: string])[]

/** A project: a tenant's API. */
export interface ProjectConfig {
  name: string
  origin: ConfigOrigin
  /** Lower-case host names, `*.suffix`; empty = any host. */
  hosts: readonly string[]
  /** Begins with `/`, no slash at the end; `''` = the root. */
  basePath: string
  upstreams: Readonly<Record<string, UpstreamConfig>>
  plugins: readonly PluginUse[]
  plans: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  routes: readonly RouteConfig[]
  accessLog: AccessLogTuning | false
  /** Left out = there are none. */
  referenced?: ReferencedTexts
  at: ConfigPath
}

/** One certificate of the listener. PEM texts, with the files that they came from. */
export interface CertificateConfig {
  /** Host names (`*.example.com` too) that get it; empty = the default one. */
  hosts: readonly string[]
  certFile: string
  keyFile: string
}

/** The data port. */
export interface ListenConfig {
  host: string
  port: number
  tls: { certificates: readonly CertificateConfig[], minVersion: 'TLSv1.2' | 'TLSv1.3' } | null
  /** A second, plain port that answers 308 to the TLS one. */
  redirectHttp: number | null
  /** Peers whose X-Forwarded-*, Forwarded and X-Request-Id are believed: addresses and CIDR ranges. */
  trustedProxies: readonly string[]
  /** Keeps repeated slashes in paths apart. */
  keepRepeatedSlashes: boolean
  /** Paths on the data port that answer liveness (`/health`, `/api/health`). */
  health: readonly string[]
  limits: {
    headerBytes: number
    headerFields: number
    urlBytes: number
    /** How long the head of a request may take. */
    headersMs: number
    /** Grace before a slow body is cut off, and the least rate after it. */
    bodyGraceMs: number
    bodyBytesPerSecond: number
    /** How long a client may take nothing of the rest of its answer. */
    stallMs: number
    keepAliveMs: number
  }
}

/** Where a store in MongoDB is, and how it is used. */
export interface MongoStateConfig {
  kind: 'mongodb'
  url: string
  /** The most connections of one process to each server. */
  poolSize: number
  /** The most that a call may take. */
  timeoutMs: number
  /** Where counts and usage are read. */
  reportsFrom: 'primary' | 'primaryPreferred' | 'secondary' | 'secondaryPreferred' | 'nearest'
  keyRing: string | null
}

/** The whole gateway, without its projects: these come one by one. */
export interface GatewayConfig {
  listen: ListenConfig
  admin: { host: string, port: number, tokenFile: string | null } | null
  state: { kind: 'embedded', path: string, keyRing: string } | MongoStateConfig
  counters: { kind: 'local' } | { kind: 'redis', url: string }
  /** A number of processes; `auto` is resolved by who starts them. */
  workers: number | 'auto'
  requestId: { header: string } | false
  accessLog: { sample: number, redact: readonly string[], file: string | null } | false
  metrics: { buckets: readonly number[] } | false
  /** Base address of the error documentation; null = `urn:sluice:error:`. */
  errorDocs: string | null
  /** Networks (CIDR) beside public addresses that what tenants name may lead to. */
  egress: { allow: readonly string[] }
  /** Projects of the store are served as `<project_id>.<baseDomain>`. */
  baseDomain: string
  /** Below which path projects of the store are served as well, on hosts that no project names; null = they are not. */
  projectPaths: string | null
  /** How it is looked up who has a domain. */
  domains: {
    /** DNS servers, with a port where it is not 53; empty = those of the system. */
    resolvers: readonly string[]
  }
  /** How long a graceful stop waits. */
  stopMs: number
  plugins: readonly PluginUse[]
  /** In those plugins; left out = there are none. */
  referenced?: ReferencedTexts
}

/** What a plugin and a log line may know of the route that serves a request. */
export interface RouteInfo {
  readonly id: string
  readonly project: string
  /** The path as the config has it, basePath included. */
  readonly path: string
  readonly upstream: string | null
}
