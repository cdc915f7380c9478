import { domainToASCII } from 'node:url'
import { readAddress } from './ip-address.js'
import { isPublicSuffix } from './public-suffix.js'

/** Where the TXT record stands that proves a claim, below the domain. */
const CHALLENGE_LABEL = '_sluice-challenge'

// RFC 6761 and its like: names that no public DNS answers for, or that mean something else on each machine.
const SPECIAL = ['localhost', 'local', 'internal', 'invalid', 'onion', 'arpa', 'alt']
const LABEL = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
// So that the name of the TXT record is not longer than a name may be.
const LONGEST = 253 - CHALLENGE_LABEL.length - 1

/** A domain as it is kept and compared, or what is wrong with it, as the end of a sentence. */
export type DomainName = { readonly name: string, readonly problem: null } | { readonly name: null, readonly problem: string }

/**
 * Reads a domain that somebody wants to be served under: `api.example.com`, or `*.example.com` for every name below. What is given back is in
 * lower case, in ASCII (IDNA) and without a trailing dot. Refused is what nobody can show to have of the public DNS: addresses however they
 * are written, single labels, names like `localhost`, and public suffixes.
 */
export function readDomainName (text: string): DomainName {
  const wrong = (problem: string): DomainName => ({ name: null, problem })
  if (/[/:@?#%\\\s[\]]/.test(text)) return wrong('has to be a name alone, without scheme, port, path or blanks')
  const wildcard = text.startsWith('*.')
  const bare = (wildcard ? text.slice(2) : text).replace(/[.\u3002]$/, '')
  if (bare.includes('*')) return wrong('may have a "*" in front of the first dot alone: "*.example.com"')
  const name = domainToASCII(bare)
  if (name === '') return wrong('is no domain name')
  if (readAddress(name) !== 0) return wrong('is an address: claim a domain name')
  const labels = name.split('.')
  if (!labels.every((label) => LABEL.test(label))) return wrong('is no domain name: use letters, digits and hyphens between single dots')
  if (labels.length === 1) return wrong('has a single label: claim a name that stands in the public DNS, like "api.example.com"')
  if (name.length > LONGEST) return wrong(`may have at most ${LONGEST} characters in ASCII`)
  if (SPECIAL.includes(labels.at(-1) as string)) return wrong(`ends in "${labels.at(-1) as string}", which is no domain of the public DNS`)
  if (isPublicSuffix(name)) return wrong('is a public suffix, below which others register names: claim one of these')
  return { name: wildcard ? `*.${name}` : name, problem: null }
}

/** The name of the TXT record that proves a claim: a wildcard is proven by the domain above it. */
export function challengeNameOf (domain: string): string {
  return `${CHALLENGE_LABEL}.${withoutWildcard(domain)}`
}

/** Whether a domain (or wildcard) would take requests for another or for names below it: it stands there itself, or is a wildcard above. */
export function reachesInto (domain: string, other: string): boolean {
  return isAtOrBelow(domain, other) || isCoveredBy(other, domain)
}

/** `a.example.com` and `*.example.com` are below `example.com`. */
function isAtOrBelow (domain: string, parent: string): boolean {
  const name = withoutWildcard(domain)
  return name === parent || name.endsWith(`.${parent}`)
}

/** Whether requests for a domain (or for some name of a wildcard) would come to a pattern of hosts too: the same name, or one that a wildcard covers. */
export function isCoveredBy (domain: string, pattern: string): boolean {
  return domain === pattern || (pattern.startsWith('*.') && withoutWildcard(domain) !== pattern.slice(2) && isAtOrBelow(domain, pattern.slice(2)))
}

function withoutWildcard (domain: string): string {
  return domain.startsWith('*.') ? domain.slice(2) : domain
}
