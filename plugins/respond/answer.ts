import type { ConfigPath, Finding } from '../../core/errors.js'
import { HeaderList } from '../../core/lib/header-list.js'
import { whyReserved } from '../../core/lib/reserved-fields.js'
import { compileTemplate, type Template, type TemplateEncoding, type TemplateSource } from '../../core/lib/template.js'
import { Reply } from '../../core/reply.js'
import { jsonTemplate } from './json-template.js'

/** One answer, as the config has it. */
export interface AnswerConfig {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  /** A text, or a JSON value; undefined = no body. */
  readonly body?: unknown
  readonly contentType?: string
}

/** Gives the answer to one request. */
export type Answer = (source: TemplateSource) => Reply

const NO_BODY = [204, 205, 304]

/**
 * Compiles an answer: a constant one is one Reply, built here. `extra` are fields that the plugin adds itself, flat. What is wrong goes into
 * `findings`, with paths that begin with `at`.
 */
export function compileAnswer (config: AnswerConfig, extra: readonly string[], at: ConfigPath, findings: Finding[]): Answer {
  const compile = (path: ConfigPath, make: () => Template): Template => {
    try {
      return make()
    } catch (error) {
      findings.push({ path: [...at, ...path], message: (error as Error).message, remedy: '' })
      return compileTemplate('')
    }
  }
  const fields: { name: string, value: Template }[] = []
  for (const [name, text] of Object.entries(config.headers)) {
    const lower = name.toLowerCase()
    const why = lower === 'content-type' ? 'there is a key for it' : whyReserved(lower)
    if (why !== null) {
      findings.push({ path: [...at, 'headers', name], message: `"${lower}" can not stand here: ${why}`, remedy: lower === 'content-type' ? 'write `contentType`' : 'take it away' })
    }
    fields.push({ name: lower, value: compile(['headers', name], () => compileTemplate(text, { encode: 'header' })) })
  }
  const { status, body } = config
  if (body !== undefined && NO_BODY.includes(status)) {
    findings.push({ path: [...at, 'body'], message: `an answer with status ${status} has no body`, remedy: 'take the body away, or choose another status' })
  }
  const isText = typeof body === 'string'
  const contentType = body === undefined ? undefined : config.contentType ?? (isText ? 'text/plain; charset=utf-8' : 'application/json; charset=utf-8')
  const content = body === undefined
    ? null
    : compile(['body'], () => isText ? compileTemplate(body, { encode: encodingFor(contentType ?? '') }) : jsonTemplate(body))
  const build = (source: TemplateSource | null): Reply => replyOf(status, fields, extra, contentType, content, source)
  if ((content?.isConstant ?? true) && fields.every(({ value }) => value.isConstant)) {
    const constant = build(null)
    return () => constant
  }
  return build
}

/** Without a source everything is constant. */
function replyOf (
  status: number, fields: readonly { name: string, value: Template }[], extra: readonly string[], contentType: string | undefined, content: Template | null, source: TemplateSource | null
): Reply {
  const render = (template: Template): string => source === null ? template.constant ?? '' : template.render(source)
  const headers = new HeaderList(contentType === undefined ? [] : ['content-type', contentType])
  for (const { name, value } of fields) {
    const text = render(value)
    if (text !== '') headers.flat.push(name, text)
  }
  for (let i = 0; i < extra.length; i += 2) headers.addToken(extra[i] as string, extra[i + 1] as string)
  return new Reply(status, headers.flat, content === null ? null : Buffer.from(render(content)))
}

/** Values are escaped for what they are put into: a request must not be able to add markup or members. */
function encodingFor (contentType: string): TemplateEncoding {
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase() ?? ''
  if (type === 'application/json' || type.endsWith('+json') || type === 'application/x-ndjson') return 'json'
  if (type === 'text/html' || type === 'text/xml' || type === 'application/xml' || type.endsWith('+xml')) return 'html'
  if (type === 'application/x-www-form-urlencoded') return 'url'
  return 'none'
}
