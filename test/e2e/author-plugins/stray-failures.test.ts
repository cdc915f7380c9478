import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'tap'
import { isAuthors } from '../../../bin/stray-failures.js'
import { ask } from '../../fixtures/ask.js'
import { startSluice } from '../../fixtures/sluice-process.js'
import { tempDir } from '../../fixtures/temp-dir.js'

test('author plugins: what one throws out of a timer or rejects unheard is logged, and the gateway serves on', async (t) => {
  const folder = tempDir(t)
  writeFileSync(join(folder, 'mine.ts'), `import { Type, definePlugin } from 'sluice'

export default definePlugin({
  name: 'mine',
  stage: 'edge',
  config: Type.Object({}, { additionalProperties: false }),
  create () {
    return {
      request (ctx) {
        if (ctx.request.query === 'timer') setTimeout(() => { throw new Error('thrown by a timer') }, 1)
        if (ctx.request.query === 'parse') setImmediate(() => { JSON.parse('{') })
        if (ctx.request.query === 'reject') void Promise.reject(new Error('rejected unheard'))
      }
    }
  }
})
`)
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, `listen: { host: 127.0.0.1, port: 0 }
admin: false
accessLog: false
projects:
  one:
    routes: [ { match: { path: "/*" }, plugins: [ { use: ./mine.ts }, { respond: { status: 200, body: served } } ] } ]
`)
  const gateway = startSluice(t, ['start', '--config', config, '--json'])
  const port = await gateway.port('data')
  for (const [query, message] of [['timer', 'a plugin threw outside of its hooks'], ['parse', 'a plugin threw outside of its hooks'], ['reject', 'a promise was rejected that nobody waits for']] as const) {
    const seen = gateway.logs().length
    t.equal((await ask(port, `/?${query}`)).status, 200)
    await gateway.logged(message, seen)
    t.equal((await ask(port, '/')).status, 200, `it serves on after ${query}`)
  }
  t.match(gateway.stderr(), /mine\.ts:11/, 'the log names the place in the source')
})

test('author plugins: an error counts as theirs only where no code of the gateway is on its way', (t) => {
  const own = new URL('../../../core/gateway.js', import.meta.url)
  t.equal(isAuthors('Error: x\n    at Timeout._onTimeout (/srv/plugins/mine.ts:3:9)\n    at listOnTimeout (node:internal/timers:581:17)'), true)
  t.equal(isAuthors('Error: x\n    at /srv/plugins/mine.ts:3:9'), true)
  t.equal(isAuthors(`Error: x\n    at hook (/srv/plugins/mine.ts:3:9)\n    at Gateway.handle (${own.pathname}:3:1)`), false)
  t.equal(isAuthors(`Error: x\n    at hook (file:///srv/plugins/mine.ts:3:9)\n    at Gateway.handle (${own.href}:3:1)`), false)
  t.equal(isAuthors('Error: connect ECONNREFUSED\n    at TCPConnectWrap.afterConnect [as oncomplete] (node:net:1611:16)'), false, 'it may be anybody’s')
  t.equal(isAuthors('x'), false)
  t.end()
})
