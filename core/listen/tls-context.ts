import { readFileSync } from 'node:fs'
import type { ServerOptions } from 'node:https'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import type { ListenConfig } from '../route.js'
import { compileCertificateIndex, type CertificateIndex } from './certificate-index.js'

type TlsConfig = NonNullable<ListenConfig['tls']>

interface Certificate {
  readonly context: SecureContext
  readonly options: SecureContextOptions
}

interface Loaded {
  readonly certificates: readonly Certificate[]
  readonly indexOf: CertificateIndex
  /** All that was read, to tell whether something changed. */
  readonly content: string
  /** By what they are made of: making one costs a millisecond, and most are the same after a reload. */
  readonly known: ReadonlyMap<string, Certificate>
}

/**
 * The listener's certificates, chosen by the name that a client asks for (RFC 6066 section 3). Loading replaces them all or, when one can not
 * be read or used, none: it throws an Error that names the file. Connections that stand keep what they have.
 */
export class TlsContext {
  private loaded: Loaded

  constructor (config: TlsConfig) {
    this.loaded = load(config, new Map())
  }

  /** Reads the files again. What it gives puts them to use, and says whether anything in them is new. */
  prepare (config: TlsConfig): () => boolean {
    const loaded = load(config, this.loaded.known)
    return () => {
      const isNew = loaded.content !== this.loaded.content
      this.loaded = loaded
      return isNew
    }
  }

  /** For `https.createServer`; after new ones were put to use, for `server.setSecureContext` too. */
  serverOptions (): ServerOptions {
    const { certificates, indexOf } = this.loaded
    // Clients that name no host get what this one is made of.
    return { ...certificates[indexOf('')]?.options, SNICallback: (name, callback) => { callback(null, this.contextFor(name)) } }
  }

  /** The context for a host name. */
  contextFor (serverName: string): SecureContext {
    const { certificates, indexOf } = this.loaded
    return (certificates[indexOf(serverName)] as Certificate).context
  }
}

function load (config: TlsConfig, before: ReadonlyMap<string, Certificate>): Loaded {
  if (config.certificates.length === 0) throw new Error('listen.tls needs at least one certificate')
  const known = new Map<string, Certificate>()
  let content = ''
  const certificates = config.certificates.map(({ hosts, certFile, keyFile }) => {
    const options = { cert: read(certFile), key: read(keyFile), minVersion: config.minVersion }
    const material = `${options.cert}\n${options.key}\n${options.minVersion}\n`
    content += `${hosts.join(' ')}\n${material}`
    const certificate = before.get(material) ?? { context: createContext(options, certFile, keyFile), options }
    known.set(material, certificate)
    return certificate
  })
  return { certificates, indexOf: compileCertificateIndex(config.certificates), content, known }
}

function createContext (options: SecureContextOptions, certFile: string, keyFile: string): SecureContext {
  try {
    return createSecureContext(options)
  } catch (error) {
    throw new Error(`certificate ${certFile} with key ${keyFile} can not be used: ${(error as Error).message} (check that both are PEM and belong together)`)
  }
}

function read (file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (error) {
    throw new Error(`can not read ${file}: ${(error as NodeJS.ErrnoException).code ?? 'unknown error'} (check the path and its permissions)`)
  }
}
