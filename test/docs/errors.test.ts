import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { docsAddress, renderError } from '../../core/error-body.js'
import { ERROR_CODES, type ErrorCode } from '../../core/errors.js'
import { refuse } from '../../core/reply.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { blocksOf, codesIn, readDocument, tablesUnder } from '../fixtures/documents.js'

const document = readDocument('docs/errors.md')

/** The reasons that the sources of some folders give: the snake_case texts of whatever is assigned to a `reason`, or told to `invalid`. */
function reasonsIn (...folders: string[]): Set<string> {
  const reasons = new Set<string>()
  for (const folder of folders) {
    for (const name of readdirSync(path.join(REPOSITORY, folder), { recursive: true, encoding: 'utf8' })) {
      if (!name.endsWith('.ts')) continue
      const text = readFileSync(path.join(REPOSITORY, folder, name), 'utf8').replace(/^\s*(?:\/\/|\/?\*).*$|\['reason'\]/gm, '')
      for (const [, value = ''] of text.matchAll(/\breason(?::| =) (.*)/g)) collect(value)
      for (const [, value = ''] of text.matchAll(/\binvalid\(('[^']*')/g)) collect(value)
    }
  }
  return reasons

  function collect (value: string): void {
    for (const [, reason = ''] of value.matchAll(/'([a-z]+(?:_[a-z]+)*)'/g)) reasons.add(reason)
  }
}

test('errors.md: the table of codes is the one of the code', (t) => {
  const [table = []] = tablesUnder(document, 'Codes')
  t.same(table.map(([code = '', status = '']) => [codesIn(code)[0], Number(status)]), Object.entries(ERROR_CODES).map(([code, { status }]) => [code, status]))
  for (const [code = '', , when = '', todo = ''] of table) {
    t.match(when, /\.$/, `${code} says when`)
    t.match(todo, /[.?]$/, `${code} says what to do`)
    const name = codesIn(code)[0] as ErrorCode
    t.ok(code.includes(`<a id="${docsAddress(name, '').slice(1)}"></a>`), `${name} has the anchor that error bodies lead to`)
  }
  t.end()
})

test('errors.md: every reason that the gateway gives is explained, and none that it does not', (t) => {
  const tables = tablesUnder(document, 'Reasons')
  t.equal(tables.length, 2)
  for (const [table, found] of [[tables[0], reasonsIn('core')], [tables[1], reasonsIn('routes/admin')]] as const) {
    const documented = (table ?? []).map(([, reason = '']) => codesIn(reason)[0] ?? '')
    // Not error bodies: what explain says of a route, in one word, and what a key ring and a view on disk say to whoever holds them.
    const given = [...found].filter((reason) => !['wins', 'loses', 'unknown_key', 'not_sealed', 'not_authentic', 'missing', 'unusable'].includes(reason))
    t.same(given.filter((reason) => !documented.includes(reason)), [], 'explained')
    t.same(documented.filter((reason) => !found.has(reason)), [], 'given')
    t.equal(new Set(documented).size, documented.length, 'none twice')
    for (const [code = ''] of table ?? []) t.ok(code === '' || Object.hasOwn(ERROR_CODES, codesIn(code)[0] ?? ''), `${code} is a code`)
  }
  t.end()
})

test('errors.md: every reason of a plugin is in its README', (t) => {
  const plugins = readdirSync(path.join(REPOSITORY, 'plugins'), { withFileTypes: true }).filter((entry) => entry.isDirectory())
  for (const { name } of plugins) {
    const readme = readDocument(`plugins/${name}/README.md`).text
    for (const reason of reasonsIn(`plugins/${name}`)) t.ok(readme.includes(reason), `${name}: ${reason}`)
  }
  t.end()
})

test('errors.md: the bodies that it shows are what the gateway writes', (t) => {
  const [house, problem] = blocksOf(document).filter(({ language }) => language === 'json').map(({ text }) => JSON.parse(text) as Record<string, unknown>)
  const options = { requestId: String(problem?.['requestId']), timestamp: Date.parse(String(problem?.['timestamp'])), docs: null }
  t.same(JSON.parse(renderError(refuse('NOT_FOUND'), { ...options, accept: null }).body), house)
  t.same(JSON.parse(renderError(refuse('NOT_FOUND'), { ...options, accept: 'application/json, application/problem+json' }).body), problem)
  t.equal(docsAddress('NOT_FOUND', 'https://docs.example.com/errors'), 'https://docs.example.com/errors#not_found')
  t.end()
})
