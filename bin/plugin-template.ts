/** The files of a new plugin, as text: `{{name}}` stands for its name. */

const INDEX = `import { Type, definePlugin, refuse } from 'sluice'

export default definePlugin({
  name: '{{name}}',
  description: 'Lets a request pass only with a header, and marks the answer.',
  stage: 'authorize',
  config: Type.Object({
    header: Type.String({ default: 'x-{{name}}', pattern: '^[a-z0-9-]+$', description: 'Header that a request has to carry, lower-case.' })
  }, { additionalProperties: false }),
  // Once per route, not per request: what can be made beforehand is made here.
  create ({ header }) {
    const refusal = refuse('AUTHORIZATION_ERROR', { message: \`The header \${header} is needed.\`, details: { reason: 'header_missing' } })
    return {
      // Return nothing to go on, a reply to end here, a promise only to wait for something.
      request (ctx) {
        if (!ctx.request.headers.has(header)) return refusal
      },
      response (ctx) {
        ctx.response.headers.set('x-checked-by', '{{name}}')
      }
    }
  }
})
`

const TEST = `import assert from 'node:assert/strict'
import { test } from 'node:test'
import { testPlugin } from 'sluice/testing'
import definition from './index.ts'

test('{{name}}: a request with the header goes on to the upstream', async () => {
  const plugin = await testPlugin(definition)
  const result = await plugin.request({ method: 'GET', target: '/', headers: { 'x-{{name}}': 'yes' } })
  assert.equal(result.status, 200)
  assert.notEqual(result.forwarded, null)
  assert.equal(result.headers.get('x-checked-by'), '{{name}}')
})

test('{{name}}: a request without it is refused, whatever the header is called', async () => {
  const plugin = await testPlugin(definition, { header: 'x-other' })
  const result = await plugin.request({ method: 'GET', target: '/', headers: { 'x-{{name}}': 'yes' } })
  assert.equal(result.status, 403)
  assert.equal(result.forwarded, null)
})
`

const README = `# {{name}}

Lets a request pass only with a header, and marks the answer.

## Use

In the gateway's configuration, on the gateway, a project or a route (the path is relative to the file that has it):

\`\`\`yaml
plugins:
  - use: ./plugins/{{name}}/index.ts
    config: { header: x-{{name}} }
\`\`\`

A change to the file reloads the routes that use it. If it can not be loaded, the version before goes on serving and the log says why.

## Keys

| key | default | what it does |
|---|---|---|
| \`header\` | \`x-{{name}}\` | Header that a request has to carry, lower-case. |

## Test

With Node 22.18 or newer:

\`\`\`sh
node --test plugins/{{name}}/{{name}}.test.ts
\`\`\`

With Node 20, which does not read TypeScript, after \`npm install --save-dev esbuild\`:

\`\`\`sh
npx esbuild plugins/{{name}}/{{name}}.test.ts --bundle --platform=node --format=esm --packages=external | node --input-type=module
\`\`\`
`

/** The files of a plugin called `name`: file name and text. */
export function pluginTemplate (name: string): Readonly<Record<string, string>> {
  const fill = (text: string): string => text.replaceAll('{{name}}', name)
  return { 'index.ts': fill(INDEX), 'README.md': fill(README), [`${name}.test.ts`]: fill(TEST) }
}
