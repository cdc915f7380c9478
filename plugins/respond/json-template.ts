import { compileTemplate, type Template } from '../../core/lib/template.js'

/**
 * A JSON value as a template: every string in it (not the keys) may have `{{ name }}` places, and renders to one string whatever is inserted.
 * Throws TypeError for what `compileTemplate` does not take.
 */
export function jsonTemplate (value: unknown): Template {
  const pieces: (string | Template)[] = []
  write(value, (piece) => {
    const text = typeof piece === 'string' ? piece : piece.constant
    const last = pieces.at(-1)
    if (text === null) pieces.push(piece)
    else if (typeof last === 'string') pieces[pieces.length - 1] = last + text
    else pieces.push(text)
  })
  const names = new Set(pieces.flatMap((piece) => typeof piece === 'string' ? [] : piece.names))
  // Neighbouring texts are joined above: without a place there is one.
  const [only] = pieces
  const constant = pieces.length === 1 && typeof only === 'string' ? only : null
  return {
    source: JSON.stringify(value),
    isConstant: constant !== null,
    constant,
    names: [...names],
    render (source) {
      let text = ''
      for (const piece of pieces) text += typeof piece === 'string' ? piece : piece.render(source)
      return text
    }
  }
}

function write (value: unknown, put: (piece: string | Template) => void): void {
  if (typeof value === 'string') {
    put('"')
    put(compileTemplate(value, { encode: 'json', encodeText: true }))
    put('"')
  } else if (Array.isArray(value)) {
    put('[')
    value.forEach((item, index) => {
      if (index > 0) put(',')
      write(item, put)
    })
    put(']')
  } else if (typeof value === 'object' && value !== null) {
    put('{')
    Object.entries(value).forEach(([key, item], index) => {
      put(`${index > 0 ? ',' : ''}${JSON.stringify(key)}:`)
      write(item, put)
    })
    put('}')
  } else put(JSON.stringify(value))
}
