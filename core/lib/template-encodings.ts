/**
 * How a value is written into a template's output. Values come in four forms, because what has to be escaped depends on what a
 * value already is: `text` is decoded Unicode; `field` is a header value, one character per byte; `path` and `query` are already
 * percent-encoded URL pieces whose delimiters must stay.
 */
export type ValueForm = 'text' | 'field' | 'path' | 'query'

/**
 * - `none`: as it is; CR, LF and NUL each become a space.
 * - `header`: for header values. What a field value can not hold (RFC 9110 section 5.5: control characters; and all non-ASCII text) is percent-encoded.
 * - `url`: for URLs. Text is encoded as one component (`/`, `?`, `&` too); paths and raw queries keep their delimiters and escapes.
 * - `json`: for the inside of a JSON string. Control characters become JSON escapes.
 * - `html`: for HTML and XML text and quoted attributes. CR, LF and NUL each become a space.
 */
export type TemplateEncoding = 'none' | 'header' | 'url' | 'json' | 'html'

/** Gives the function that writes values of a form. None of their results holds CR, LF or NUL. */
export function valueEncoder (encoding: TemplateEncoding, form: ValueForm): (value: string) => string {
  switch (encoding) {
    case 'none': return dropLineBreaks
    case 'header': return form === 'field' ? encodeField : encodeTextForField
    case 'url': return form === 'text' ? encodeComponent : form === 'field' ? encodeFieldComponent : encodeUrlPiece
    case 'json': return encodeJson
    case 'html': return encodeHtml
  }
}

function dropLineBreaks (value: string): string {
  return /[\r\n\0]/.test(value) ? value.replace(/[\r\n\0]/g, ' ') : value
}

function encodeField (value: string): string {
  return /[^\t\x20-\x7e\x80-\xff]/.test(value) ? value.replace(/[^\t\x20-\x7e\x80-\xff]/gu, encodeComponent) : value
}

function encodeTextForField (value: string): string {
  return /[^\t\x20-\x7e]/.test(value) ? value.replace(/[^\t\x20-\x7e]+/gu, encodeComponent) : value
}

function encodeComponent (value: string): string {
  // encodeURIComponent throws for a lone surrogate.
  return encodeURIComponent(value.replace(/\p{Surrogate}/gu, '\ufffd'))
}

function encodeFieldComponent (value: string): string {
  return value.replace(/[^A-Za-z0-9\-._~!'()*]/g, encodeByte)
}

function encodeUrlPiece (value: string): string {
  return /[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]/.test(value) ? value.replace(/[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%]/g, encodeByte) : value
}

/** Values as they came over the wire hold one byte per character; a larger one can only come from a test or a later protocol. */
function encodeByte (character: string): string {
  const code = character.charCodeAt(0)
  return code > 0xff ? encodeComponent(character) : `%${code < 16 ? '0' : ''}${code.toString(16).toUpperCase()}`
}

function encodeJson (value: string): string {
  return JSON.stringify(value).slice(1, -1)
}

const HTML_ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;', '\r': ' ', '\n': ' ', '\0': ' ' }

function encodeHtml (value: string): string {
  return /[&<>"'\r\n\0]/.test(value) ? value.replace(/[&<>"'\r\n\0]/g, (character) => HTML_ESCAPES[character] ?? '') : value
}
