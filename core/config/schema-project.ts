/** Schemas of what belongs to one project. */
import { Type, type Static } from 'typebox'
import { Duration, Rate } from '../lib/schema-types.js'
import { DEFAULTS } from './defaults.js'
import { AccessLogTuning, Fields, ID_PATTERN, NamedMap, PluginList, Text } from './schema-fields.js'

const { upstreamTimeouts } = DEFAULTS

const Host = Text({ title: 'a host name', description: 'A host name without port: `shop.example.com`, or `*.example.com` for every name below it.', examples: ['shop.example.com', '*.example.com'] })

const ValueMatch = Type.Union([
  Type.String({ description: 'Exactly this value.' }),
  Type.Boolean({ description: '`true`: there, whatever it holds; `false`: not there.' }),
  Fields({ regex: Text({ title: 'a regular expression', description: 'RE2 syntax, against the whole value.', examples: ['v[0-9]+'] }) })
], { title: 'a value to match', examples: ['beta', true, { regex: 'v[0-9]+' }], description: 'A text (exactly this), `true` (there), `false` (not there) or `{ regex: … }`.' })

const Match = Fields({
  path: Type.Optional(Text({ title: 'a path', pattern: '^/', examples: ['/orders', '/orders/:id', '/orders/*'], description: 'Exact `/a/b`, with parameters `/orders/:id`, or a prefix `/a/*`; below the project\'s `basePath`.' })),
  pathRegex: Type.Optional(Text({ title: 'a regular expression', examples: ['/v[0-9]+/orders'], description: 'RE2 syntax, against the whole path below `basePath`; tried after all `path`s.' })),
  methods: Type.Optional(Type.Array(Text({ title: 'a method', pattern: '^[A-Za-z][A-Za-z-]*$', description: 'An HTTP method.', examples: ['GET'] }), { minItems: 1, examples: [['GET', 'POST']], description: 'Methods; any when left out. `GET` takes `HEAD` too.' })),
  hosts: Type.Optional(Type.Array(Host, { minItems: 1, examples: [['shop.example.com']], description: 'Hosts; any of the project\'s when left out.' })),
  headers: Type.Optional(Type.Record(Type.String({ pattern: '^[A-Za-z0-9!#$%&\'*+.^_`|~-]+$' }), ValueMatch, { title: 'header matches', additionalProperties: false, description: 'What request headers have to hold.' })),
  // Not a Record: its pattern for any key leaves out those with a line break.
  query: Type.Optional(Type.Unsafe<Record<string, Static<typeof ValueMatch>>>({ type: 'object', title: 'query matches', additionalProperties: ValueMatch, description: 'What query parameters have to hold.' }))
}, { title: 'a match', examples: [{ path: '/orders/*', methods: ['GET'] }], description: 'Which requests the route takes.' })

const Rewrite = Type.Union([
  Text({ title: 'a path template', pattern: '^/', description: 'The path to forward; `:name` and `*` stand for what the route\'s path matched.', examples: ['/v2/:id'] }),
  Fields({ stripPrefix: Type.Boolean({ description: 'Takes away the literal part of the route\'s path, with the `basePath`.' }) }),
  Fields({ template: Text({ title: 'a path template', pattern: '^/', description: 'The path to forward.', examples: ['/v2/:id'] }) })
], { title: 'a rewrite', examples: [{ stripPrefix: true }, '/v2/:id'], description: 'How the path changes before it is forwarded.' })

/** `routes[]`. */
export const Route = Fields({
  id: Type.Optional(Text({ title: 'a route id', pattern: ID_PATTERN, description: 'Names the route in logs, metrics and findings; unique in its project. Made of methods and path when left out.', examples: ['orders'] })),
  match: Match,
  upstream: Type.Optional(Text({ title: 'an upstream', description: 'A name of the project\'s `upstreams`; left out where a plugin answers.' })),
  rewrite: Type.Optional(Rewrite),
  plugins: Type.Optional(PluginList('Plugins of this route, after the gateway\'s and the project\'s of the same stage.')),
  timeouts: Type.Optional(Fields({
    headers: Type.Optional(Duration({ description: 'Until the upstream\'s answer begins; 0 = no limit.' })),
    idle: Type.Optional(Duration({ description: 'Between two pieces of a body; 0 = no limit.' })),
    total: Type.Optional(Duration({ description: 'For the whole exchange, retries included; 0 = no limit.' }))
  }, { description: 'Time limits of this route; what is left out is as its upstream says.' })),
  allowEncodedSlashes: Type.Optional(Type.Boolean({ default: false, description: 'Lets `%2F` and `%5C` stand in the path (never decoded); else they are 400.' })),
  upgrades: Type.Optional(Type.Array(Text({ title: 'an upgrade token', pattern: '^[A-Za-z0-9!#$%&\'*+.^_`|~/-]+$', description: 'An Upgrade token.' }), { examples: [['tcp']], description: 'Upgrade tokens beside `websocket` that may pass.' })),
  upgradeIdle: Type.Optional(Duration({ default: DEFAULTS.upgradeIdle, description: 'How long an upgraded connection may be silent; 0 = no limit.' })),
  accessLog: Type.Optional(AccessLogTuning('route'))
}, { title: 'a route', examples: [{ match: { path: '/orders/*' }, upstream: 'orders' }] })

/** `upstreams.<name>`. */
export const Upstream = Fields({
  targets: Type.Optional(Type.Array(Type.Union([
    Text({ title: 'a target address', pattern: '^https?://', description: '`http://host:port` or `https://host:port`, with an optional path that is put before the forwarded one.', examples: ['http://127.0.0.1:9001'] }),
    Fields({
      url: Text({ title: 'a target address', pattern: '^https?://', description: '`http://host:port` or `https://host:port`.', examples: ['http://127.0.0.1:9001'] }),
      weight: Type.Optional(Type.Integer({ minimum: 0, maximum: 1000, default: 1, description: 'Its share of the requests, in proportion to the others\'.' }))
    })
  ], { title: 'a target', examples: ['http://127.0.0.1:9001'] }), { minItems: 1, examples: [['http://127.0.0.1:9001']], description: 'The servers behind it.' })),
  builtin: Type.Optional(Type.Enum(['echo'], { description: 'A service of the gateway\'s own instead of targets: `echo` answers with what it received.' })),
  host: Type.Optional(Text({ title: 'a host setting', default: DEFAULTS.upstreamHost, examples: ['preserve', 'target', 'api.internal'], description: 'The Host header that it sees: `preserve` for the client\'s, `target` for the target\'s own, or this text.' })),
  connections: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000, description: 'The most connections to one target; as many as needed when left out.', examples: [100] })),
  timeouts: Type.Optional(Fields({
    connect: Type.Optional(Duration({ default: upstreamTimeouts.connect, description: 'Until a connection stands.' })),
    headers: Type.Optional(Duration({ default: upstreamTimeouts.headers, description: 'Until the answer begins; 0 = no limit.' })),
    idle: Type.Optional(Duration({ default: upstreamTimeouts.idle, description: 'Between two pieces of a body; 0 = no limit.' })),
    total: Type.Optional(Duration({ default: upstreamTimeouts.total, description: 'For the whole exchange, retries included; 0 = no limit.' }))
  }, { description: 'Time limits.' })),
  tls: Type.Optional(Fields({
    ca: Type.Optional(Text({ title: 'a PEM file or text', description: 'Certificates to trust instead of the system\'s: a file (relative to this one) or PEM text.', examples: ['./tls/ca.pem'] })),
    cert: Type.Optional(Text({ title: 'a PEM file or text', description: 'Client certificate: a file or PEM text.', examples: ['./tls/client.pem'] })),
    key: Type.Optional(Text({ title: 'a PEM file or text', description: 'Key of the client certificate: a file or PEM text.', examples: ['./tls/client.key'] })),
    serverName: Type.Optional(Text({ title: 'a host name', description: 'The name to ask for and to verify; the target\'s when left out.', examples: ['api.internal'] })),
    verify: Type.Optional(Type.Boolean({ default: true, description: 'Whether the certificate is verified. Turn it off for experiments only.' }))
  }, { description: 'TLS towards `https` targets.' }))
}, { title: 'an upstream', examples: [{ targets: ['http://127.0.0.1:9001'] }], description: 'A service to forward to.' })

/** `projects.<name>`. */
export const Project = Fields({
  hosts: Type.Optional(Type.Array(Host, { examples: [['shop.example.com']], description: 'Host names that belong to this project; any when left out.' })),
  basePath: Type.Optional(Type.String({ title: 'a path', pattern: '^(/.*)?$', default: '', examples: ['/shop'], description: 'Path in front of all its routes.' })),
  upstreams: Type.Optional(NamedMap(Upstream, { title: 'upstreams', description: 'Services to forward to, by name.' })),
  plugins: Type.Optional(PluginList('Plugins of every route of this project, after the gateway\'s of the same stage.')),
  plans: Type.Optional(NamedMap(
    NamedMap(Type.Union([Rate(), Type.Number(), Type.Boolean()], { title: 'a limit', examples: ['1000/h', 5000], description: 'A rate, a number or a switch.' }), { title: 'limits', description: 'The limits of one plan, by name.' }),
    { title: 'plans', description: 'Named limits that consumers have; limits of plugins refer to them as `plan.NAME`.' }
  )),
  routes: Type.Optional(Type.Array(Route, { title: 'a list of routes', description: 'Its routes. Their order counts only among `pathRegex` routes.' })),
  accessLog: Type.Optional(AccessLogTuning('project'))
}, { title: 'a project', description: 'A tenant\'s API.' })
