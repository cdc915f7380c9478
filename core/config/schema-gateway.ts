/** Schemas of what belongs to the gateway as a whole. */
import { Type } from 'typebox'
import { Duration, Size } from '../lib/schema-types.js'
import { DEFAULTS } from './defaults.js'
import { Fields, Port, Text } from './schema-fields.js'

const { limits, mongodb } = DEFAULTS

/** `listen.tls`. */
const ListenTls = Fields({
  certificates: Type.Array(Fields({
    hosts: Type.Optional(Type.Array(Text({ description: 'A host name, or `*.example.com`.', examples: ['*.example.com'] }), { description: 'Host names that get this certificate; left out for the default one.' })),
    cert: Text({ title: 'a file', description: 'PEM file with the certificate chain; relative to this file.', examples: ['./tls/shop.pem'] }),
    key: Text({ title: 'a file', description: 'PEM file with the private key; relative to this file.', examples: ['./tls/shop.key'] })
  }), { title: 'a list of certificates', minItems: 1, description: 'Certificates, chosen by the name that the client asks for. Reloaded when their files change.' }),
  minVersion: Type.Optional(Type.Enum(['1.2', '1.3'], { default: DEFAULTS.listen.minVersion, description: 'The oldest TLS version that is spoken.' }))
}, { title: 'a TLS setting', description: 'TLS on the data port.' })

/** `listen.limits`. */
const ListenLimits = Fields({
  headerBytes: Type.Optional(Size({ default: limits.headerBytes, description: 'The most that the head of a request may take; more is 431.' })),
  headerFields: Type.Optional(Type.Integer({ minimum: 1, maximum: 1000, default: limits.headerFields, description: 'The most header fields; more is 431.' })),
  urlBytes: Type.Optional(Size({ default: limits.urlBytes, description: 'The longest request target; longer is 414.' })),
  headers: Type.Optional(Duration({ default: limits.headers, description: 'How long the head of a request may take; longer is 408.' })),
  bodyGrace: Type.Optional(Duration({ default: limits.bodyGrace, description: 'How long a request body may be slow before `bodyRate` holds.' })),
  bodyRate: Type.Optional(Size({ default: limits.bodyRate, description: 'The least that must arrive of a request body per second, after `bodyGrace`; less is 408.' })),
  stall: Type.Optional(Duration({ default: limits.stall, description: 'How long a client may take nothing of the rest of its answer; then its connection is closed.' })),
  keepAlive: Type.Optional(Duration({ default: limits.keepAlive, description: 'How long an idle connection is kept.' }))
}, { description: 'What a client may send, and how slowly.' })

/** `listen`. */
export const Listen = Fields({
  host: Type.Optional(Text({ default: DEFAULTS.listen.host, description: 'Address to listen on.', examples: ['127.0.0.1', '::'] })),
  port: Type.Optional(Port(0, { default: DEFAULTS.listen.port, description: 'Data port; 0 picks a free one.' })),
  tls: Type.Optional(ListenTls),
  redirectHttp: Type.Optional(Port(0, { description: 'A second, plain port that answers 308 to the TLS one.' })),
  trustedProxies: Type.Optional(Type.Array(Text({ description: 'An address or a CIDR range.', examples: ['10.0.0.0/8'] }), {
    default: [], examples: [['10.0.0.0/8']], description: 'Peers whose `X-Forwarded-*`, `Forwarded` and `X-Request-Id` are believed.'
  })),
  keepRepeatedSlashes: Type.Optional(Type.Boolean({ default: false, description: 'Keeps `//` in paths apart from `/`.' })),
  health: Type.Optional(Type.Union([
    Type.Boolean(),
    Type.Array(Text({ pattern: '^/', title: 'a path', description: 'A path.', examples: ['/healthz'] }), { minItems: 1 })
  ], { title: 'a health setting', default: false, examples: [true, ['/healthz']], description: 'Answers liveness on the data port: `true` for `/health` and `/api/health`, or a list of paths.' })),
  limits: Type.Optional(ListenLimits)
}, { description: 'The data port.' })

/** `admin`. */
export const Admin = Type.Union([
  Type.Literal(false),
  Fields({
    host: Type.Optional(Text({ default: DEFAULTS.admin.host, description: 'Address to listen on.' })),
    port: Type.Optional(Port(0, { default: DEFAULTS.admin.port, description: 'Admin port; 0 picks a free one.' })),
    tokenFile: Type.Optional(Text({ title: 'a file', description: 'File that holds the operator\'s token, or gets it when there is none; relative to this file.', examples: ['./admin.token'] }))
  })
], { title: 'an admin setting', description: 'The admin port (metrics, status, reload), or `false` for none.', examples: [{ port: 8081 }] })

/** `state.keyRing`. */
const KeyRingFile = Text({ title: 'a file', description: `File with the keys that secrets are encrypted with; relative to this file. \`${DEFAULTS.keyRingFile}\` in the folder of \`embedded\` when left out, and made there. \`SLUICE_KEYS\` comes first.`, examples: ['./keys.json'] })

/** `state.mongodb`. */
const StateMongodb = Fields({
  url: Text({ title: 'a MongoDB address', pattern: '^mongodb(\\+srv)?://', description: 'Connection string. The database in it is used, `sluice` where it names none.', examples: ['mongodb://127.0.0.1:27017/sluice'] }),
  poolSize: Type.Optional(Type.Integer({ minimum: 2, maximum: 1000, default: mongodb.poolSize, description: 'The most connections of each worker to each server.' })),
  timeout: Type.Optional(Duration({ default: mongodb.timeout, description: 'How long the server may be silent; then it counts as gone.' })),
  reportsFrom: Type.Optional(Type.Enum(['primary', 'primaryPreferred', 'secondary', 'secondaryPreferred', 'nearest'], {
    default: mongodb.reportsFrom, description: 'Where counts and usage are read, which may then be a little old. Everything that decides is read from the primary.'
  }))
}, { description: 'Shared between nodes.' })

/** `state`. */
export const State = Type.Union([
  Fields({ embedded: Fields({ path: Type.Optional(Text({ title: 'a folder', default: DEFAULTS.statePath, description: 'Folder for the data; relative to this file.' })) }, { description: 'On this machine, nothing to install.' }), keyRing: Type.Optional(KeyRingFile) }),
  Fields({ mongodb: StateMongodb, keyRing: Type.Optional(KeyRingFile) })
], { title: 'a store', description: 'Where keys, consumers and settings are kept.', examples: [{ embedded: { path: './data' } }] })

/** `counters`. */
export const Counters = Type.Union([
  Fields({ local: Type.Union([Type.Null(), Fields({})], { title: 'an empty map', description: 'In this node, shared by its workers.' }) }),
  Fields({ redis: Fields({ url: Text({ title: 'a Redis address', pattern: '^rediss?://', description: 'Connection string.', examples: ['redis://127.0.0.1:6379'] }) }, { description: 'Shared between nodes.' }) })
], { title: 'a counter store', description: 'Where rate and quota counters are kept.', examples: [{ local: {} }] })

/** `workers`. */
export const Workers = Type.Union([Type.Literal('auto'), Type.Integer({ minimum: 1, maximum: 1024 })],
  { title: 'a number of workers', default: 1, description: 'Processes that serve; `auto` is one per core.', examples: [2, 'auto'] })

/** `requestId`. */
export const RequestId = Type.Union([
  Type.Boolean(),
  Fields({ header: Type.Optional(Text({ title: 'a header name', pattern: '^[A-Za-z0-9-]+$', default: DEFAULTS.requestIdHeader, description: 'The header that carries it.' })) })
], { title: 'a request id setting', default: true, examples: [{ header: 'x-request-id' }, false], description: 'An id for every request, in a header both ways, the log and error bodies. With `false` only error answers have one.' })

/** `accessLog`. */
export const AccessLog = Type.Union([
  Type.Boolean(),
  Fields({
    sample: Type.Optional(Type.Number({ minimum: 0, maximum: 1, default: 1, description: 'The share of requests that get a record, 0 to 1; failures always do.', examples: [0.1] })),
    redact: Type.Optional(Type.Array(Text({ description: 'A header name or query key.' }), {
      examples: [['x-session']], description: `Header names and query keys whose values are not logged, beside ${DEFAULTS.redact.join(', ')}.`
    })),
    file: Type.Optional(Text({ title: 'a file', description: 'File for the records; standard output when left out. Relative to this file.', examples: ['./access.log'] }))
  })
], { title: 'an access log setting', default: true, examples: [false, { sample: 0.1 }], description: 'One JSON line per request.' })

/** `metrics`. */
export const Metrics = Type.Union([
  Type.Boolean(),
  Fields({ buckets: Type.Optional(Type.Array(Type.Number({ exclusiveMinimum: 0 }), { minItems: 1, maxItems: 50, default: [...DEFAULTS.buckets], description: 'Bounds of the duration histograms in seconds, rising.' })) })
], { title: 'a metrics setting', default: true, examples: [false], description: 'Prometheus metrics on the admin port.' })

/** `errors`. */
export const Errors = Fields({
  docs: Type.Optional(Text({ title: 'an address', pattern: '^https?://', description: 'Address of your page about errors: `docs` of an error body is this with the code as its fragment (`#not_found`). Left out: `urn:sluice:error:not_found`.', examples: ['https://docs.example.com/errors'] }))
}, { description: 'What error answers say.' })

/** `egress`. */
export const Egress = Fields({
  allow: Type.Optional(Type.Array(Text({ description: 'An address or a CIDR range.', examples: ['10.1.0.0/16'] }), {
    default: [], examples: [['10.1.0.0/16']], description: 'Networks beside public addresses that targets of tenants may be in. Targets in files and of operators may be anywhere.'
  }))
}, { description: 'Where the gateway connects for tenants.' })

/** `baseDomain`. */
export const BaseDomain = Text({ title: 'a domain', default: DEFAULTS.baseDomain, examples: ['api.example.com'], description: 'Projects of the store are served as `<project_id>.<baseDomain>`.' })

/** `projectPaths`. */
export const ProjectPaths = Type.Union([
  Type.Boolean(),
  Text({ title: 'a path', pattern: '^(/[A-Za-z0-9_~-][A-Za-z0-9._~-]*)+$', description: 'A path.', examples: ['/projects'] })
], { title: 'a setting of project paths', default: false, examples: [true, '/projects'], description: `Serves projects of the store as \`/p/<project_id>/…\` as well, with that part taken off the path, on hosts that no project names: \`true\` for \`${DEFAULTS.projectPaths}\`, or another path.` })

/** `domains`. */
export const Domains = Fields({
  resolvers: Type.Optional(Type.Array(Text({ title: 'an address', description: 'An address, with a port where it is not 53.', examples: ['192.0.2.53', '[2001:db8::53]:5353'] }), {
    default: [], examples: [['192.0.2.53']], description: 'DNS servers that are asked for the TXT records; those of the system when left out. They have to resolve names of the internet.'
  }))
}, { description: 'How domains of tenants are verified.' })

/** `stop`. */
export const Stop = Fields({
  timeout: Type.Optional(Duration({ default: DEFAULTS.stopTimeout, description: 'How long requests in flight may take to end.' }))
}, { description: 'A graceful stop (SIGTERM).' })
