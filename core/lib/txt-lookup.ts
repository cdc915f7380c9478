import { Resolver } from 'node:dns/promises'

/** What the DNS says of the TXT records of a name: their texts, that there are none, or that nobody answered, with the code of the failure. */
export type TxtAnswer =
  | { readonly outcome: 'found', readonly texts: readonly string[] }
  | { readonly outcome: 'missing' }
  | { readonly outcome: 'unanswered', readonly code: string }

/** Looks up the TXT records of a name. Never rejects. */
export type LookUpTxt = (name: string) => Promise<TxtAnswer>

/** How to look up. */
export interface TxtLookupOptions {
  /** Addresses of the servers that are asked, with a port where it is not 53; empty = those of the system. */
  readonly servers: readonly string[]
  /** How long one look-up may take, with all its tries and aliases. Default 5 000. */
  readonly timeoutMs?: number
}

const TIMEOUT_MS = 5_000
const TRY_MS = 1_500
const TRIES = 2
// RFC 1034 section 3.6.2 wants chains of aliases followed; no honest one is longer.
const MOST_ALIASES = 8
// c-ares: the name does not exist, or it has no record of this kind.
const MISSING = ['ENOTFOUND', 'ENODATA']

/** Makes a look-up that asks servers of its own choice. Texts in several pieces come joined, as they are meant; aliases (CNAME) are followed. Throws TypeError for a server that is no address. */
export function createTxtLookup ({ servers, timeoutMs = TIMEOUT_MS }: TxtLookupOptions): LookUpTxt {
  const create = (): Resolver => {
    const resolver = new Resolver({ timeout: TRY_MS, tries: TRIES })
    if (servers.length > 0) resolver.setServers(servers)
    return resolver
  }
  create()
  return async (name) => {
    // One for each: cancelling ends everything that a resolver is asked.
    const resolver = create()
    const timer = setTimeout(() => { resolver.cancel() }, timeoutMs)
    try {
      const texts = await resolveTxt(resolver, name)
      return texts.length === 0 ? { outcome: 'missing' } : { outcome: 'found', texts }
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'UNKNOWN'
      return MISSING.includes(code) ? { outcome: 'missing' } : { outcome: 'unanswered', code }
    } finally {
      clearTimeout(timer)
    }
  }
}

/** Servers that resolve for others follow aliases themselves; one that only knows its own zone answers with the alias alone, which is an empty list here. */
async function resolveTxt (resolver: Resolver, asked: string): Promise<string[]> {
  let name = asked
  for (let aliases = 0; ; aliases++) {
    const texts = (await resolver.resolveTxt(name)).map((pieces) => pieces.join(''))
    if (texts.length > 0 || aliases === MOST_ALIASES) return texts
    const [target] = await resolver.resolveCname(name)
    if (target === undefined) return []
    name = target
  }
}
