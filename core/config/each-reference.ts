import type { ConfigPath } from '../errors.js'
import type { ReferencedTexts } from '../route.js'
import type { Raw, RawMap } from './raw.js'
import type { Originals } from './references.js'
import { mayBeSecret } from './secret-places.js'

/** Told of a text that references gave: where it is, what it is, and as it was written. */
export type SeeReference = (path: ConfigPath, text: string, original: string) => void

/** Visits the texts of a value that references gave. */
export function eachReference (value: Raw, originals: Originals, see: SeeReference, at: ConfigPath = []): void {
  if (originals.size === 0) return
  const path = [...at]
  const visit = (node: Raw): void => {
    if (typeof node !== 'object' || node === null) return
    const known = originals.get(node)
    const inner = (key: string | number, one: Raw): void => {
      const original = typeof one === 'string' ? known?.get(key) : undefined
      path.push(key)
      if (original === undefined) visit(one)
      else see([...path], one as string, original)
      path.pop()
    }
    if (Array.isArray(node)) for (let index = 0; index < node.length; index++) inner(index, node[index] as Raw)
    else for (const key of Object.keys(node)) inner(key, node[key] as Raw)
  }
  visit(value)
}

/** The texts of a project, or of what is the gateway's in the form of one, that references gave where a secret may stand; no key where there are none. */
export function referencedTexts (raw: RawMap, originals: Originals): { referenced?: ReferencedTexts } {
  const referenced: (readonly [string, string])[] = []
  eachReference(raw, originals, (path, text) => {
    if (text !== '' && mayBeSecret(path)) referenced.push([path.findLast((key) => typeof key === 'string') ?? '', text])
  })
  return referenced.length === 0 ? {} : { referenced }
}
