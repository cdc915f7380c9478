import { Type } from 'typebox'
import type { Finding } from '../../core/errors.js'
import { definePlugin } from '../../core/plugin.js'
import { compileEdits, type Edit } from './edits.js'

const NAME = { title: 'a header name', pattern: '^[!#$%&\'*+\\-.^_`|~0-9A-Za-z]+$' }
const VALUE_HINT = 'Values may have places such as `{{ params.id }}`.'

function editsOf (whose: string, example: Readonly<Record<string, unknown>>) {
  return Type.Object({
    remove: Type.Array(Type.String(NAME), {
      default: [],
      description: `First: fields taken away from ${whose}; \`x-internal-*\` takes away all that begin so.`,
      examples: [['x-powered-by', 'x-internal-*']]
    }),
    rename: Type.Record(Type.String(NAME), Type.String(NAME), {
      default: {},
      additionalProperties: false,
      description: 'Second: old name to new name. Fields that had the new name are replaced; without the old one nothing happens.',
      examples: [{ 'x-old': 'x-new' }]
    }),
    set: Type.Record(Type.String(NAME), Type.String(), {
      default: {},
      additionalProperties: false,
      description: `Third: fields with exactly this value. ${VALUE_HINT} An empty value takes the field away.`,
      examples: [{ 'x-order': '{{ params.id }}' }]
    }),
    add: Type.Record(Type.String(NAME), Type.Union([Type.String(), Type.Array(Type.String())]), {
      default: {},
      additionalProperties: false,
      description: `Fourth: fields added behind those that are there. ${VALUE_HINT} An empty value adds nothing.`,
      examples: [{ link: ['</a.css>; rel=preload'] }]
    })
  }, { default: {}, additionalProperties: false, description: `What is changed of ${whose}, in the order remove, rename, set, add.`, examples: [example] })
}

const config = Type.Object({
  request: editsOf('the request that goes to the upstream', { remove: ['cookie'], set: { 'x-order': '{{ params.id }}' } }),
  response: editsOf('the answer', { remove: ['x-powered-by'] })
}, { additionalProperties: false })

/** Removes, renames, sets and adds header fields of the forwarded request and of the answer. */
export default definePlugin({
  name: 'headers',
  description: 'Removes, renames, sets and adds header fields of the forwarded request and of the answer.',
  stage: ['transform', 'edge', 'upstream'],
  requires: ['consumer?'],
  config,
  check ({ request, response }): Finding[] {
    const findings: Finding[] = []
    compileEdits(request, 'request', findings)
    compileEdits(response, 'response', findings)
    return findings
  },
  create ({ request, response }) {
    const onRequest = compileEdits(request, 'request', [])
    const onResponse = compileEdits(response, 'response', [])
    return {
      request: onRequest.length === 0 ? undefined : (ctx) => { applyAll(onRequest, ctx.forward.headers.flat, ctx) },
      response: onResponse.length === 0 ? undefined : (ctx) => { applyAll(onResponse, ctx.response.headers.flat, ctx) }
    }
  }
})

function applyAll (all: readonly Edit[], flat: string[], source: Parameters<Edit>[1]): void {
  for (const edit of all) edit(flat, source)
}
