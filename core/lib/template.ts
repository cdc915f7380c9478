import { valueEncoder, type TemplateEncoding } from './template-encodings.js'
import { templateValue, type TemplateSource } from './template-names.js'

export type { TemplateEncoding } from './template-encodings.js'
export type { TemplateSource } from './template-names.js'

/** A compiled text with `{{ name }}` places. */
export interface Template {
  /** The text that it was made of. */
  readonly source: string
  /** Whether it renders to the same text for every request. */
  readonly isConstant: boolean
  /** That text; null where it is not constant. */
  readonly constant: string | null
  /** The names that it reads, each once. */
  readonly names: readonly string[]
  /** The text for one request. What is inserted never holds CR, LF or NUL; the template's own text may (but for `header`). */
  render (source: TemplateSource): string
}

/** How `compileTemplate` writes what it inserts. */
export interface TemplateOptions {
  /** Default `none`. */
  encode?: TemplateEncoding
  /** Encodes the template's own text like what is inserted. Default false: the author writes JSON, a URL, … */
  encodeText?: boolean
}

/**
 * Compiles a text with places `{{ name }}`, `{{ name | "text when empty" }}` or `{{ "literal" }}` (for a literal `{{`).
 *
 * Names: `params.NAME` (decoded) and `params.*`, `request.method`, `request.path` (normal form), `request.query` (raw),
 * `request.query.NAME` (first value, decoded), `request.header.NAME` (all values, joined), `request.host`, `request.scheme`,
 * `request.id`, `client.ip`, `route.id`, `project`, `consumer.id`, `consumer.name`, `consumer.plan`. What is not there is empty.
 *
 * Throws TypeError for an unknown name (with a did-you-mean), an unclosed place, or CR, LF, NUL in the text of a `header` template.
 */
export function compileTemplate (source: string, options: TemplateOptions = {}): Template {
  const encoding = options.encode ?? 'none'
  if (encoding === 'header' && /[\r\n\0]/.test(source)) throw new TypeError(`the template ${quote(source)} holds CR, LF or NUL, which a header value can not`)
  if (encoding === 'header' && options.encodeText !== true && /[^\t\x20-\x7e\x80-\xff]/.test(source.replace(/\{\{.*?\}\}/gs, ''))) {
    throw new TypeError(`the template ${quote(source)} holds a character that a header value can not (percent-encode it)`)
  }
  const pieces: Piece[] = []
  const names = new Set<string>()
  const own = options.encodeText === true ? valueEncoder(encoding, 'text') : (text: string) => text
  let from = 0
  for (let open = source.indexOf('{{'); open !== -1; open = source.indexOf('{{', from)) {
    addText(pieces, own(source.slice(from, open)))
    PLACE.lastIndex = open
    const match = PLACE.exec(source)
    if (match === null) throw new TypeError(`the template ${quote(source)} has a place at character ${open + 1} that can not be read (write {{ name }} or {{ name | "default" }})`)
    const [whole, literal, name, fallback] = match
    if (literal !== undefined) addText(pieces, valueEncoder(encoding, 'text')(unquote(literal)))
    else if (name !== undefined) { pieces.push(place(source, name, fallback, encoding)); names.add(name) }
    from = open + whole.length
  }
  addText(pieces, own(source.slice(from)))
  return assemble(source, pieces, [...names])
}

// {{ "literal" }} or {{ name }}, each maybe with | "default"; single quotes hold no escapes, double quotes those of JSON.
const PLACE = /\{\{\s*(?:("(?:[^"\\]|\\.)*"|'[^']*')|([^\s|}"']+))\s*(?:\|\s*("(?:[^"\\]|\\.)*"|'[^']*')\s*)?\}\}/y

type Piece = string | ((source: TemplateSource) => string)

function addText (pieces: Piece[], text: string): void {
  const last = pieces.at(-1)
  if (typeof last === 'string') pieces[pieces.length - 1] = last + text
  else if (text !== '') pieces.push(text)
}

function place (source: string, name: string, fallback: string | undefined, encoding: TemplateEncoding): Piece {
  let value
  try {
    value = templateValue(name)
  } catch (error) {
    throw new TypeError(`the template ${quote(source)}: ${(error as Error).message}`, { cause: error })
  }
  const { read } = value
  const encode = valueEncoder(encoding, value.form)
  const empty = fallback === undefined ? '' : valueEncoder(encoding, 'text')(unquote(fallback))
  return (request) => {
    const text = read(request)
    return text === '' ? empty : encode(text)
  }
}

function assemble (source: string, pieces: readonly Piece[], names: readonly string[]): Template {
  const isConstant = names.length === 0
  if (isConstant) {
    const text = pieces.join('')
    return { source, isConstant, constant: text, names, render: () => text }
  }
  const [only] = pieces
  if (pieces.length === 1 && typeof only === 'function') return { source, isConstant, constant: null, names, render: only }
  return {
    source,
    isConstant,
    constant: null,
    names,
    render (request) {
      let text = ''
      for (const piece of pieces) text += typeof piece === 'string' ? piece : piece(request)
      return text
    }
  }
}

function unquote (literal: string): string {
  if (literal.startsWith("'")) return literal.slice(1, -1)
  try {
    return JSON.parse(literal) as string
  } catch (error) {
    throw new TypeError(`${literal} is not a JSON string (escape quotes and backslashes with a backslash)`, { cause: error })
  }
}

function quote (source: string): string {
  return JSON.stringify(source.length > 80 ? `${source.slice(0, 77)}...` : source)
}
