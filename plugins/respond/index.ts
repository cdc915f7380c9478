import { Type } from 'typebox'
import type { BaseContext } from '../../core/context.js'
import type { Finding } from '../../core/errors.js'
import type { Host } from '../../core/host.js'
import { Duration } from '../../core/lib/schema-types.js'
import { parseDuration } from '../../core/lib/units.js'
import { definePlugin } from '../../core/plugin.js'
import { compileAnswer, type Answer, type AnswerConfig } from './answer.js'

const answer = {
  status: Type.Integer({ default: 200, minimum: 200, maximum: 599, description: 'Status of the answer.', examples: [503] }),
  headers: Type.Record(Type.String({ pattern: '^[!#$%&\'*+\\-.^_`|~0-9A-Za-z]+$' }), Type.String(), {
    default: {},
    additionalProperties: false,
    description: 'Header fields. Values may have places such as `{{ params.id }}`; one that comes out empty is left out.',
    examples: [{ 'retry-after': '120' }]
  }),
  body: Type.Optional(Type.Unknown({
    description: 'A text, or a JSON value (map, list, number, true, false). Texts in it may have places such as `{{ params.id }}`; what is inserted is escaped as the content type needs.',
    examples: ['Back soon.', { id: '{{ params.id }}', status: 'shipped' }]
  })),
  contentType: Type.Optional(Type.String({
    title: 'a content type',
    pattern: '^[!#$%&\'*+.^_`|~0-9A-Za-z-]+/[!#$%&\'*+.^_`|~0-9A-Za-z-]+[\\t\\x20-\\x7e]*$',
    description: 'Content-Type of the body. Left out: `text/plain` for a text, `application/json` for anything else.',
    examples: ['text/html; charset=utf-8']
  }))
}

const config = Type.Object({
  ...answer,
  examples: Type.Array(Type.Object({
    name: Type.String({ title: 'a name of letters, digits, "-", "_" and "."', pattern: '^[A-Za-z0-9._-]+$', description: 'The name by which a client chooses it.', examples: ['not-found'] }),
    ...answer
  }, { additionalProperties: false }), {
    default: [],
    description: 'More answers, of which a client chooses one with `Prefer: example=NAME`.',
    examples: [[{ name: 'not-found', status: 404, body: { message: 'no such order' } }]]
  }),
  delay: Duration({
    default: '0',
    description: 'How long the answer is held back, to see how clients bear it. Must be below the `timeout` of the plugin.',
    examples: ['250ms']
  })
}, { additionalProperties: false })

/** Answers itself, with a fixed or templated answer. */
export default definePlugin({
  name: 'respond',
  description: 'Answers itself instead of an upstream: a fixed text or JSON value, with values of the request put in; a mock with named examples.',
  stage: ['upstream', 'edge'],
  requires: ['consumer?'],
  config,
  check (settings): Finding[] {
    const findings: Finding[] = []
    compileAnswers(settings, findings)
    return findings
  },
  create (settings, host) {
    const { main, examples } = compileAnswers(settings, [])
    const choose = (ctx: BaseContext): Answer => {
      const prefer = ctx.request.headers.joined('prefer')
      return (prefer === undefined ? undefined : examples.get(exampleOf(prefer))) ?? main
    }
    const pick = examples.size === 0 ? () => main : choose
    const delayMs = parseDuration(settings.delay)
    return {
      request: delayMs === 0
        ? (ctx) => pick(ctx)(ctx)
        : (ctx) => pause(host, delayMs, ctx.signal).then(() => pick(ctx)(ctx))
    }
  }
})

/** The answer and the examples by name; what is wrong with them goes into `findings`. */
function compileAnswers (settings: AnswerConfig & { readonly examples: readonly (AnswerConfig & { readonly name: string })[] }, findings: Finding[]): { main: Answer, examples: Map<string, Answer> } {
  const vary = settings.examples.length > 0 ? ['vary', 'Prefer'] : []
  const main = compileAnswer(settings, vary, [], findings)
  const examples = new Map<string, Answer>()
  settings.examples.forEach((example, index) => {
    if (examples.has(example.name)) findings.push({ path: ['examples', index, 'name'], message: `there are two examples "${example.name}"`, remedy: 'give each its own name' })
    examples.set(example.name, compileAnswer(example, [...vary, 'preference-applied', `example=${example.name}`], ['examples', index], findings))
  })
  return { main, examples }
}

/** The example that a Prefer field (RFC 7240) asks for, or `''`. */
function exampleOf (prefer: string): string {
  const match = /(?:^|[,;])\s*example\s*=\s*(?:"([^"]*)"|([^\s,;"]+))/i.exec(prefer)
  return match?.[1] ?? match?.[2] ?? ''
}

/** Resolves after `delayMs`, or at once when the client goes. */
function pause (host: Host, delayMs: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const cancel = host.clock.after(delayMs, () => {
      signal.removeEventListener('abort', stop)
      resolve()
    })
    const stop = (): void => {
      cancel()
      resolve()
    }
    signal.addEventListener('abort', stop, { once: true })
  })
}
