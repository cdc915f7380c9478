import { readFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ListenConfig } from '../route.js'

type TlsConfig = NonNullable<ListenConfig['tls']>

interface Loaded {
  readonly exact: ReadonlyMap<string, SecureContext>
  /** By suffix with its dot: `.example.com` for `*.example.com`. */
  readonly wildcard: ReadonlyMap<string, SecureContext>
  readonly fallback: SecureContext
  /** What the fallback was made of: for clients that name no host. */
  readonly fallbackOptions: SecureContextOptions
  /** All that was read, to tell whether a file changed. */
  readonly content: string
}

/**
 * The listener's certificates, chosen by the name that a client asks for (RFC 6066 section 3): exact, then wildcard, then the default (the
 * certificate without hosts, or the first). Loading replaces them all or, when one can not be read or used, none: it throws an Error that
 * names the file. Connections that stand keep what they have.
 */
export class TlsContext {
  private loaded: Loaded

  constructor (config: TlsConfig) {
    this.loaded = load(config)
  }

  /** Reads the files again; true when something in them is new. */
  reload (config: TlsConfig): boolean {
    const loaded = load(config)
    if (loaded.content === this.loaded.content) return false
    this.loaded = loaded
    return true
  }

  /** For `https.createServer`; after a reload that said true, for `server.setSecureContext` too. */
  serverOptions (): ServerOptions {
    return { ...this.loaded.fallbackOptions, SNICallback: (name, callback) => { callback(null, this.contextFor(name)) } }
  }

  /** The context for a host name. */
  contextFor (serverName: string): SecureContext {
    const name = serverName.toLowerCase()
    const { exact, wildcard, fallback } = this.loaded
    const dot = name.indexOf('.')
    return exact.get(name) ?? (dot === -1 ? undefined : wildcard.get(name.slice(dot))) ?? fallback
  }
}

function load (config: TlsConfig): Loaded {
  const exact = new Map<string, SecureContext>()
  const wildcard = new Map<string, SecureContext>()
  let content = ''
  const pairs = config.certificates.map(({ hosts, certFile, keyFile }) => {
    const options = { cert: read(certFile), key: read(keyFile), minVersion: config.minVersion }
    content += `${hosts.join(' ')}\n${options.cert}\n${options.key}\n${options.minVersion}\n`
    let context: SecureContext
    try {
      context = createSecureContext(options)
    } catch (error) {
      throw new Error(`certificate ${certFile} with key ${keyFile} can not be used: ${(error as Error).message} (check that both are PEM and belong together)`)
    }
    for (const host of hosts) {
      if (host.startsWith('*.')) wildcard.set(host.slice(1), context)
      else exact.set(host, context)
    }
    return { hosts, context, options }
  })
  const fallback = pairs.find((pair) => pair.hosts.length === 0) ?? pairs[0]
  if (fallback === undefined) throw new Error('listen.tls needs at least one certificate')
  return { exact, wildcard, fallback: fallback.context, fallbackOptions: fallback.options, content }
}

function read (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`can not read ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'} (check the path and its permissions)`)
  }
}
