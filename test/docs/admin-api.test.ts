import { test } from 'tap'
import { OPERATIONS } from '../../routes/admin/operations.js'
import { openAdminApi, OPERATOR_TOKEN } from '../fixtures/admin-api.js'
import { blocksOf, readDocument, tablesUnder } from '../fixtures/documents.js'

const document = readDocument('docs/admin-api.md')

/** The words of a command line in which single and double quotes are all there is to know, and $NAME is put in. */
function wordsOf (line: string, variables: Readonly<Record<string, string>>): string[] {
  return [...line.matchAll(/'([^']*)'|"([^"]*)"|(\S+)/g)].map(([, single, double, bare]) => single ?? (double ?? bare ?? '').replace(/\$([A-Z]+)/g, (_, name: string) => variables[name] ?? ''))
}

test('admin-api.md: its curl lines work, from the first to the last', async (t) => {
  const { url } = await openAdminApi(t)
  const lines = blocksOf(document).filter(({ language }) => language === 'sh').flatMap(({ text }) => text.trim().split('\n'))
  t.ok(lines.length >= 7)
  for (const line of lines) {
    const [command, ...words] = wordsOf(line, { ADMIN: url, TOKEN: OPERATOR_TOKEN })
    t.equal(command, 'curl')
    const headers: Record<string, string> = {}
    let [method, body, address] = ['GET', undefined as string | undefined, '']
    while (words.length > 0) {
      const word = words.shift()
      if (word === '-X') method = words.shift() ?? ''
      else if (word === '-d') body = words.shift()
      else if (word === '-H') {
        const [name = '', value = ''] = (words.shift() ?? '').split(': ')
        headers[name] = value
      } else address = word ?? ''
    }
    const answer = await fetch(address, { method, headers, body })
    t.equal(answer.status, method === 'POST' && !address.endsWith('/bulk') ? 201 : 200, `${line}\n${await answer.text()}`)
  }
})

test('admin-api.md: the table of endpoints is the one of the code', (t) => {
  const [table = []] = tablesUnder(document, 'Endpoints')
  const documented = table.flatMap(([path = '', methods = '']) => {
    const base = path.replaceAll('`', '')
    return methods.split(';').flatMap((part) => {
      const below = [...part.matchAll(/`([^`]+)`/g)].map(([, one = '']) => one)
      const verbs = part.replace(/`[^`]+`/g, '').match(/[A-Z]+/g) ?? []
      return (below.length === 0 ? [''] : below).flatMap((one) => verbs.map((verb) => `${verb} ${base}${one}`))
    })
  })
  t.same(documented.sort(), OPERATIONS.map(({ method, url }) => `${method} ${url}`).sort())
  t.end()
})
