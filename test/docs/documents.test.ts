import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { STAGES } from '../../core/index.js'
import { plugins } from '../../plugins/index.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { blocksOf, codesIn, inRepository, listDocuments, proseOf, readDocument, type Document } from '../fixtures/documents.js'

const documents = listDocuments()

/** The anchors that a heading or an `<a id>` makes, as GitHub names them. */
function anchorsOf (document: Document): Set<string> {
  const prose = proseOf(document)
  const headings = [...prose.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) => heading.toLowerCase().replace(/[^\p{L}\p{N}_ -]/gu, '').replaceAll(' ', '-'))
  return new Set([...headings, ...[...prose.matchAll(/<a id="([^"]+)">/g)].map(([, id = '']) => id)])
}

test('documents: every link inside the repository leads somewhere', (t) => {
  let count = 0
  for (const document of documents) {
    for (const [, target = ''] of proseOf(document).matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      count++
      const [file = '', anchor] = target.split('#')
      const name = file === '' ? document.path : path.posix.join(path.posix.dirname(document.path), file)
      if (!t.ok(inRepository(name), `${document.path}: ${target}`) || anchor === undefined) continue
      t.ok(anchorsOf(readDocument(name)).has(anchor), `${document.path}: ${target} has its heading`)
    }
  }
  t.ok(count > 40, `${count} links`)
  t.end()
})

test('documents: every file that a text names is there, or a sample that it shows', (t) => {
  const samples = new Set(documents.flatMap(blocksOf).map(({ mark }) => mark))
  let count = 0
  for (const document of documents) {
    if (document.path === 'docs/config.md') continue
    for (const [, name = ''] of proseOf(document).matchAll(/`((?:\.ci|bench|bin|core|docs|examples|plugins|portal|routes|scripts|test)\/[\w./-]*)`/g)) {
      count++
      t.ok(inRepository(name.replace(/\/$/, '')) || samples.has(name), `${document.path}: ${name}`)
    }
  }
  t.ok(count > 40, `${count} files`)
  t.end()
})

test('documents: decisions are numbered without a gap in their block, and each says what, what else and what follows', (t) => {
  const decisions = documents.filter((document) => /^docs\/decisions\/\d/.test(document.path))
  t.ok(decisions.length >= 9)
  const index = readDocument('docs/decisions/README.md').text
  for (const document of decisions) {
    t.match(document.path, /^docs\/decisions\/\d{4}-[a-z0-9]+(?:-[a-z0-9]+)*\.md$/)
    t.match(document.text, /^# \d{4}\. \S/, document.path)
    for (const heading of ['## Decision', '## Alternatives', '## Consequences']) t.ok(document.text.includes(`\n${heading}\n`), `${document.path} has ${heading}`)
    t.ok(index.includes(`(${path.basename(document.path)})`), `${document.path} is in the list`)
  }
  const numbers = decisions.map((document) => document.path.slice('docs/decisions/'.length, 'docs/decisions/'.length + 4))
  t.equal(new Set(numbers).size, numbers.length, 'no number twice')
  t.end()
})

test('documents: every folder of the engine, every stage and every plugin is named where one looks for it', (t) => {
  const architecture = readDocument('docs/architecture.md').text
  for (const { name } of readdirSync(path.join(REPOSITORY, 'core'), { withFileTypes: true }).filter((entry) => entry.isDirectory())) t.ok(architecture.includes(`\`core/${name}/\``), name)
  const [, stages = ''] = /The \*\*stages\*\*, in their order: ([^]*?)\n\n/.exec(readDocument('docs/plugins/authoring.md').text) ?? []
  t.same(codesIn(stages), STAGES)
  const readme = readDocument('README.md').text
  for (const { name } of plugins) t.ok(readme.includes(`[${name}](plugins/${name}/README.md)`), name)
  t.end()
})
