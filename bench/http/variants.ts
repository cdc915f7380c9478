import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { CONNECTIONS } from './variants/conditions.js'

/** Something that forwards, and how it is started. */
export interface Variant {
  name: string
  what: string
  /** Node's arguments: script and arguments. `folder` is a scratch folder of this run. */
  command (origin: string, folder: string): string[]
}

const script = (name: string) => (origin: string): string[] => [fileURLToPath(new URL(`./variants/${name}.js`, import.meta.url)), origin]

const COMMAND_LINE = fileURLToPath(new URL('../../bin/sluice.js', import.meta.url))

function sluice (name: string, config: (folder: string) => string, plugins: string) {
  return (origin: string, folder: string): string[] => {
    const file = join(folder, `${name}.yaml`)
    writeFileSync(file, `listen: { host: 127.0.0.1, port: 0 }
admin: false
state: { embedded: { path: ${JSON.stringify(join(folder, 'state'))} } }
${config(folder)}
${plugins}
projects:
  bench:
    upstreams:
      origin: { targets: [ ${JSON.stringify(origin)} ], connections: ${CONNECTIONS} }
    routes:
      - { id: all, match: { path: "/api/*" }, upstream: origin }
`)
    return [COMMAND_LINE, 'start', '--config', file, '--json', '--log-level', 'error']
  }
}

const BARE = 'requestId: false\naccessLog: false\nmetrics: false'
const FULL = `plugins:
  - security-headers
  - cors: { origins: [ "https://app.example.com" ], exposeHeaders: [ x-request-id ] }
  - headers: { request: { set: { x-gateway: sluice } }, response: { remove: [ x-powered-by ], set: { x-served-for: "{{ request.id }}" } } }`

/** The variants, the baseline first. */
export const VARIANTS: readonly Variant[] = [
  { name: 'bare', what: 'node:http + undici dispatch, nothing else', command: script('bare') },
  { name: 'sluice-bare', what: 'one route; request id, log and metrics off', command: sluice('sluice-bare', () => BARE, '') },
  {
    name: 'sluice-full',
    what: 'request id, access log to a file, metrics, security-headers, cors, headers',
    command: sluice('sluice-full', (folder) => `accessLog: { file: ${JSON.stringify(join(folder, 'access.log'))} }`, FULL)
  },
  { name: 'http-proxy', what: '@fastify/http-proxy, logger off', command: script('http-proxy') },
  { name: 'fast-gateway', what: 'fast-gateway', command: script('fast-gateway') },
  { name: 'http-proxy-3', what: 'http-proxy-3, keep-alive agent', command: script('http-proxy-3') }
]

/** `sluice-bare` with two workers; compared with one, not with the others. */
export const TWO_WORKERS: Variant = { name: 'sluice-2-workers', what: 'sluice-bare, workers: 2', command: sluice('sluice-2-workers', () => `${BARE}\nworkers: 2`, '') }

/** Baseline of the ratios. */
export const BASELINE = 'bare'
