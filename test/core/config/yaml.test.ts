import assert from 'node:assert/strict'
import { dump } from 'js-yaml'
import { LineCounter, isMap, isPair, isScalar, isSeq, parse, parseDocument, stringify, visit, type Node } from 'yaml'
import fc from 'fast-check'
import { test } from 'tap'
import { parseYaml } from '../../../core/config/parse-yaml.js'
import { indexPositions } from '../../../core/config/yaml-positions.js'

const KEYS = fc.oneof(fc.stringMatching(/^[a-z][a-zA-Z0-9_-]{0,8}$/), fc.string({ maxLength: 6, unit: 'grapheme' }), fc.constantFrom('true', 'null', '1', '0x10', '- a', '? b', 'a: b', '#c', '*d', '&e', '!f', '~', ''))
  .filter((key) => key !== '__proto__' && key !== '<<')
const SCALARS = fc.oneof(
  fc.string({ maxLength: 12, unit: 'grapheme' }), fc.integer(), fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean(), fc.constant(null),
  fc.constantFrom('30s', '1mb', '100/m', '/a/*', '*.example.com', 'http://127.0.0.1:9001', 'yes', 'No', 'on', '0o7', '0b1', '012', '1_000', '1:30', '.5', '1.', '+1', '-0x1', '1e3', '.inf', '2026-01-01', '=', '<<', '${NAME}', 'a\nb\n', ' lead', 'trail ', "it's", '"q"', '# no', 'a #no', 'a: b', '- x', '%x', '@x', '`x', '|', '>', '\u0085', '\u2028', '\ud83d\ude00')
)
const VALUES = fc.letrec<{ value: unknown }>((tie) => ({
  value: fc.oneof({ depthSize: 'small', withCrossShrink: true }, SCALARS, fc.array(tie('value'), { maxLength: 4 }), fc.dictionary(KEYS, tie('value'), { maxKeys: 5, noNullPrototype: true }))
})).value
const DOCUMENTS = fc.dictionary(KEYS, VALUES, { minKeys: 1, maxKeys: 5, noNullPrototype: true })

/** One text per style of each of two writers. */
const TEXTS = fc.tuple(DOCUMENTS, fc.constantFrom('block', 'flow', 'mixed', 'quoted', 'yaml', 'json')).map(([value, style]) => {
  if (style === 'yaml') return { value, text: stringify(value, { version: '1.2', lineWidth: 40 }) }
  if (style === 'json') return { value, text: JSON.stringify(value, null, 2) }
  const flowLevel = style === 'flow' ? 0 : style === 'mixed' ? 2 : -1
  return { value, text: dump(value, { flowLevel, forceQuotes: style === 'quoted', noRefs: true, lineWidth: 40 }) }
})

/** What the slow parser makes of a text; undefined when it takes it for no YAML. */
function slowly (text: string): unknown {
  const document = parseDocument(text, { merge: true, logLevel: 'silent' })
  let oddKeys = false
  visit(document, { Pair (_, { key }) { oddKeys ||= !isScalar(key) || key.value === null || (typeof key.value === 'number' && !Number.isSafeInteger(key.value)) } })
  // Each parser has its own text for keys that are lists, maps or nothing; no configuration has them.
  if (oddKeys) return undefined
  return document.errors.length > 0 ? undefined : document.toJS({ maxAliasCount: -1 })
}

function quickly (text: string): unknown {
  const parsed = parseYaml(text)
  return parsed.problems === null ? parsed.value : undefined
}

test('yaml: both parsers read what both writers write, and read it the same', (t) => {
  fc.assert(fc.property(TEXTS, ({ text }) => {
    const value = quickly(text)
    assert.notEqual(value, undefined, text)
    assert.deepEqual(value, slowly(text), text)
  }), { numRuns: 1_500 })
  t.end()
})

test('yaml: both parsers agree about texts that were cut and glued, wherever both take them', (t) => {
  const pieces = ['a', 'b: ', '- ', '\n', '\n  ', '\n    ', '[', ']', '{', '}', ', ', ': ', '"', "'", '1', '0o17', '0x1F', '1.5', '.5e3', '~', 'null', 'True', 'no', '&x ', '*x', '<<: *x', '? ', '# c\n', '|\n', '>\n', '<<: { z: 1 }', '<<: [ { y: 1 }, { z: 2 } ]', '-0', '1e400', '+.inf', '- - ', 'c: d']
  let both = 0
  fc.assert(fc.property(fc.array(fc.constantFrom(...pieces), { minLength: 1, maxLength: 12 }), (parts) => {
    const text = parts.join('')
    const quick = quickly(text)
    let slow: unknown
    try {
      slow = slowly(text)
    } catch {
      return
    }
    // Any other file than a map is refused, whatever it holds.
    if (typeof quick !== 'object' || quick === null || Array.isArray(quick) || slow === undefined || slow === null) return
    both++
    assert.deepEqual(quick, slow, JSON.stringify(text))
  }), { numRuns: 20_000 })
  t.ok(both > 500, `${both} texts were taken by both`)
  t.end()
})

test('yaml: an empty item that js-yaml would let swallow the outer list is a finding at its place, and nothing else is', (t) => {
  for (const [text, place] of [
    ['- - \n- - a', '1:3'], ['a:\n  - b:\n      -\n  - c', '3:7'], ['a:\n  -\n    - # none\n\n  # more\n  - c', '3:5'], ['- - -\r\n- a\r\n', '1:5'],
    ['- - x\n  -\n- a', '2:3'],
    ['- -\n  - a', null], ['- a\n-\n- b', null], ['a:\n- b:\n  -\n', null], ['a: |\n  - x:\n      -\n  - y\nc: 1', null], ['-\n  a: 1\n- b', null], ['a:\n  -\n    b: 1\n  - c', null]
  ] as const) {
    const { problems } = parseYaml(text)
    t.equal(problems === null ? null : `${problems[0]?.line}:${problems[0]?.column}`, place, JSON.stringify(text))
    if (place !== null) t.match(problems?.[0]?.remedy, 'null')
  }
  // Too large for a second reading: refused, and soon.
  const large = `a:\n  - b:\n      -\n  - c\nd:\n${'  - eeeeeeeeeeeeeeeeeee\n'.repeat(30_000)}`
  t.match(parseYaml(large).problems, [{ line: 3, column: 7 }])
  t.end()
})

test('yaml: positions are where the slow parser sees keys and values', (t) => {
  fc.assert(fc.property(TEXTS, ({ text }) => {
    const lines = new LineCounter()
    const document = parseDocument(text, { lineCounter: lines, merge: true, logLevel: 'silent' })
    const index = indexPositions(text)
    const at = (node: Node): { line: number, column: number } => {
      const { line, col } = lines.linePos(node.range![0])
      return { line, column: col }
    }
    visit(document, {
      Pair (_, pair, ancestors) {
        const path = pathOf([...ancestors, pair])
        if (isScalar(pair.key) && pair.key.range !== null && pair.key.range !== undefined && pair.key.source !== '') assert.deepEqual(index.locate(path, true), at(pair.key), `key ${JSON.stringify(path)} of ${text}`)
        if (isScalar(pair.value) && pair.value.range![0] !== pair.value.range![1]) assert.deepEqual(index.locate(path, false), at(pair.value), `value ${JSON.stringify(path)} of ${text}`)
      },
      Scalar (key, node, ancestors) {
        if (typeof key !== 'number' || node.range![0] === node.range![1]) return
        assert.deepEqual(index.locate([...pathOf(ancestors), key], false), at(node), `item ${key} of ${text}`)
      }
    })
  }), { numRuns: 500 })
  t.end()
})

/** The config path of the last of a chain of nodes. */
function pathOf (chain: readonly unknown[]): (string | number)[] {
  const path: (string | number)[] = []
  chain.forEach((node, index) => {
    const parent = chain[index - 1]
    if (isPair(node) && isMap(parent)) path.push(String((node.key as { value: unknown }).value))
    else if (isSeq(parent)) path.push(parent.items.indexOf(node))
  })
  return path
}

test('yaml: positions of what the generators do not write: comments, anchors, empty values, explicit keys', (t) => {
  const text = `# comment
a: 1
list:
- x
-
-  # comment
  y: &q
    z: [ 1, {k: v, w}, "s" , a: 5 ]
m: { "quo ted": &an { deep: x }, b : [ ] ,c: }
base: &base
  p: 1
deriv:
  <<: *base
  q: 2
'on': |
  text
  more
? ex
: val
last: &p 5
none:
`
  const index = indexPositions(text)
  for (const [path, value, key] of [
    [[], '2:1', '2:1'], [['a'], '2:4', '2:1'], [['list'], '3:1', '3:1'], [['list', 0], '4:3', '4:3'], [['list', 1], '5:1', '5:1'], [['list', 2], '7:3', '7:3'], [['list', 2, 'y'], '7:3', '7:3'],
    [['list', 2, 'y', 'z', 1, 'k'], '8:17', '8:14'], [['list', 2, 'y', 'z', 1, 'w'], '8:20', '8:20'], [['list', 2, 'y', 'z', 2], '8:24', '8:24'], [['list', 2, 'y', 'z', 3], '8:30', '8:30'],
    [['m', 'quo ted', 'deep'], '9:29', '9:23'], [['m', 'b'], '9:34', '9:34'], [['m', 'c'], '9:43', '9:43'], [['base', 'p'], '11:6', '11:3'], [['deriv', 'p'], '13:3', '13:3'], [['deriv', 'q'], '14:6', '14:3'],
    [['on'], '15:7', '15:1'], [['ex'], '19:3', '18:3'], [['last'], '20:7', '20:1'], [['none'], '21:1', '21:1'], [['none', 'below'], '21:1', '21:1'], [['nothing'], '2:1', '2:1'], [['a', 'below', 3], '2:1', '2:1'], [['list', 9], '3:1', '3:1']
  ] as const) {
    for (const [onKey, expected] of [[false, value], [true, key]] as const) {
      const { line, column } = index.locate(path, onKey)
      t.equal(`${line}:${column}`, expected, `${JSON.stringify(path)} ${onKey ? 'key' : 'value'}`)
    }
  }
  t.same(parse(text, { merge: true }), quickly(text))
  t.end()
})
