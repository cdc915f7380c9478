import { closest } from './closest.js'
import { decodePercent } from './form-text.js'
import { queryName, QueryReader } from './query-reader.js'
import type { ValueForm } from './template-encodings.js'

/** What a template may read: a structural part of every hook's context, so that nothing here knows the gateway. */
export interface TemplateSource {
  /** The request id. */
  readonly id: string
  readonly request: {
    readonly method: string
    readonly path: string
    readonly query: string
    readonly host: string
    readonly scheme: string
    readonly clientAddress: string
    readonly headers: { joined (name: string): string | undefined }
  }
  readonly params: Readonly<Record<string, string>>
  readonly route: { readonly id: string } | null
  readonly project: string | null
  /** Only a plugin that declares `requires: ['consumer?']` may read the consumer; elsewhere `consumer.*` is empty. */
  get? (slot: 'consumer'): { readonly id: string, readonly name?: unknown, readonly plan?: unknown } | undefined
}

/** A readable name: how to read it (`''` = not there) and which form its value has. */
export interface TemplateValue {
  readonly form: ValueForm
  read (source: TemplateSource): string
}

const FIXED: Readonly<Record<string, TemplateValue>> = {
  'request.method': { form: 'field', read: (source) => source.request.method },
  'request.path': { form: 'path', read: (source) => source.request.path },
  'request.query': { form: 'query', read: (source) => source.request.query },
  'request.host': { form: 'text', read: (source) => source.request.host },
  'request.scheme': { form: 'text', read: (source) => source.request.scheme },
  'request.id': { form: 'field', read: (source) => source.id },
  'client.ip': { form: 'text', read: (source) => source.request.clientAddress },
  'route.id': { form: 'text', read: (source) => source.route?.id ?? '' },
  project: { form: 'text', read: (source) => source.project ?? '' },
  'consumer.id': { form: 'text', read: (source) => source.get?.('consumer')?.id ?? '' },
  'consumer.name': { form: 'text', read: (source) => scalar(source.get?.('consumer')?.name) },
  'consumer.plan': { form: 'text', read: (source) => scalar(source.get?.('consumer')?.plan) }
}

const FAMILIES: Readonly<Record<string, (rest: string) => TemplateValue>> = {
  'params.': (rest) => rest === '*'
    ? { form: 'path', read: (source) => parameter(source, '*') }
    : { form: 'text', read: (source) => decodePercent(parameter(source, rest)) },
  'request.query.': (rest) => {
    const reader = new QueryReader()
    const name = queryName(rest)
    return { form: 'text', read: (source) => reader.read(source.request.query, name) ?? '' }
  },
  'request.header.': (rest) => {
    const lower = rest.toLowerCase()
    if (!/^[!#$%&'*+\-.^_`|~0-9a-z]+$/.test(lower)) throw new TypeError(`"${rest}" is not a header name`)
    return { form: 'field', read: (source) => source.request.headers.joined(lower) ?? '' }
  }
}

/** What `name` stands for. Throws TypeError with a did-you-mean for a name that is not known. */
export function templateValue (name: string): TemplateValue {
  const fixed = Object.hasOwn(FIXED, name) ? FIXED[name] : undefined
  if (fixed !== undefined) return fixed
  for (const [family, make] of Object.entries(FAMILIES)) {
    if (name.startsWith(family) && name.length > family.length) return make(name.slice(family.length))
  }
  const last = name.slice(name.lastIndexOf('.') + 1)
  const near = closest(name, [...Object.keys(FIXED), ...Object.keys(FAMILIES).map((family) => family + last)])
  const known = [...Object.keys(FIXED), ...Object.keys(FAMILIES).map((family) => `${family}NAME`)].sort().join(', ')
  throw new TypeError(`unknown name "${name}" (${near === null ? `known are ${known}` : `did you mean "${near}"?`})`)
}

function parameter (source: TemplateSource, name: string): string {
  const value = source.params[name]
  // A name such as `constructor` must not reach what objects inherit.
  return typeof value === 'string' ? value : ''
}

function scalar (value: unknown): string {
  return typeof value === 'string' ? value : typeof value === 'number' ? String(value) : ''
}
