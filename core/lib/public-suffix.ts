import { createRequire } from 'node:module'
import type { getPublicSuffix } from 'tldts'

const OPTIONS = { allowPrivateDomains: true, extractHostname: false, validateHostname: false }
let tldts: { readonly getPublicSuffix: typeof getPublicSuffix } | null = null

/**
 * Whether others register names directly below this one (lower case, ASCII): of registries, as below `co.uk`, and of services that give names to their
 * customers, as below `github.io`. By the Public Suffix List of the installed `tldts`; under a top level that it does not know, that alone is one.
 */
export function isPublicSuffix (name: string): boolean {
  // Its list takes 10 MB and 20 ms: who makes no claim does not pay for it.
  tldts ??= createRequire(import.meta.url)('tldts') as NonNullable<typeof tldts>
  return tldts.getPublicSuffix(name, OPTIONS) === name
}
