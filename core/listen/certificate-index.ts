import type { CertificateConfig } from '../route.js'

/** Gives the position of the certificate that a host name is served with: exact, then wildcard (one label), then the default (the one without hosts, or the first). */
export type CertificateIndex = (host: string) => number

/** Compiles the choice of certificates. Host names are compared in lower case. */
export function compileCertificateIndex (certificates: readonly CertificateConfig[]): CertificateIndex {
  const exact = new Map<string, number>()
  // By suffix with its dot: `.example.com` for `*.example.com`.
  const wildcard = new Map<string, number>()
  certificates.forEach(({ hosts }, index) => {
    for (const host of hosts) {
      if (host.startsWith('*.')) wildcard.set(host.slice(1), index)
      else exact.set(host, index)
    }
  })
  const fallback = Math.max(0, certificates.findIndex(({ hosts }) => hosts.length === 0))
  return (host) => {
    const name = host.toLowerCase()
    const dot = name.indexOf('.')
    return exact.get(name) ?? (dot === -1 ? undefined : wildcard.get(name.slice(dot))) ?? fallback
  }
}
