/** What the benches of plugins share: an instance with its defaults, and a context to call its hooks with. */
import Value from 'typebox/value'
import type { BodySource, GatewayRequest } from '../../../core/context.js'
import type { Host } from '../../../core/host.js'
import { HeaderList } from '../../../core/lib/header-list.js'
import type { Plugin, PluginInstance, RequestContext, ResponseContext } from '../../../core/plugin.js'
import { nsPerCall } from '../ns-per-call.js'

/** What a bench says of the request. */
export interface BenchRequest {
  method?: string
  scheme?: 'http' | 'https'
  headers?: readonly string[]
  params?: Readonly<Record<string, string>>
  body?: BodySource
}

const UPSTREAM_HEADERS = ['date', 'Thu, 01 Jan 2026 00:00:00 GMT', 'server', 'nginx', 'content-type', 'application/json', 'content-length', '110', 'cache-control', 'no-store', 'etag', '"abc"']
const CLIENT_HEADERS = ['host', 'shop.localhost', 'user-agent', 'bench', 'accept', '*/*', 'accept-encoding', 'gzip']

const silent = { debug () {}, info () {}, warn () {}, error () {} }

/** Makes an instance of a plugin, with the defaults of its schema filled in, and in its host what `ports` has. */
export async function instanceOf (plugin: Plugin, config: Record<string, unknown>, ports: Partial<Host> = {}): Promise<PluginInstance> {
  const host: Host = {
    plugin: { name: plugin.name, id: plugin.name },
    project: 'shop',
    route: 'orders',
    log: silent,
    clock: { now: () => 0, monotonic: () => 0, after: () => () => {} },
    metrics: { counter: () => ({ increment () {} }), histogram: () => ({ observe () {} }) },
    directory: null,
    secrets: null,
    isOperatorToken: () => false,
    subrequest: () => Promise.reject(new Error('no gateway here')),
    ...ports
  }
  return await plugin.create(Value.Default(plugin.config, config), host)
}

function requestOf ({ method = 'GET', scheme = 'http', headers = [], body }: BenchRequest): GatewayRequest {
  return {
    method,
    rawTarget: '/api/v1/orders/42?page=2',
    path: '/api/v1/orders/42',
    query: 'page=2',
    host: 'shop.localhost',
    authority: 'shop.localhost',
    scheme,
    httpVersion: '1.1',
    headers: new HeaderList([...CLIENT_HEADERS, ...headers]),
    connection: { remoteAddress: '192.0.2.7', remotePort: 50000, localPort: 8080, encrypted: false, serverName: null, trusted: false },
    clientAddress: '192.0.2.7',
    upgrade: null,
    body: body ?? null
  }
}

/** Prints what the request hook costs per call. */
export function benchRequest (title: string, instance: PluginInstance, request: BenchRequest): void {
  const { request: hook } = instance
  if (hook === undefined) throw new TypeError('the plugin has no request hook')
  const ctx = {
    id: 'bench',
    request: requestOf(request),
    params: request.params ?? {},
    route: null,
    project: 'shop',
    get: () => undefined,
    set: () => {},
    forward: { headers: new HeaderList(), transform () {} }
  } as unknown as RequestContext
  print(title, nsPerCall(() => { void hook.call(instance, ctx) }))
}

/** Prints what the response hook costs per call, on the headers of a usual answer; what it costs to fill those in again is taken off. */
export function benchResponse (title: string, instance: PluginInstance, request: BenchRequest): void {
  const { response: hook } = instance
  if (hook === undefined) throw new TypeError('the plugin has no response hook')
  const headers = new HeaderList()
  const refill = (): void => {
    headers.flat.length = 0
    for (const text of UPSTREAM_HEADERS) headers.flat.push(text)
  }
  const ctx = { request: requestOf(request), response: { status: 200, headers, source: 'upstream', body: null, transform () {} } } as unknown as ResponseContext
  const empty = nsPerCall(refill)
  print(title, nsPerCall(() => { refill(); void hook.call(instance, ctx) }) - empty)
}

function print (title: string, ns: number): void {
  console.log(`${ns.toFixed(0).padStart(6)} ns  ${title}`)
}
