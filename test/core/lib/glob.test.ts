import { symlinkSync } from 'node:fs'
import path from 'node:path'
import { test } from 'tap'
import { expandGlob, isGlob } from '../../../core/lib/glob.js'

test('glob: names files by parts of their paths', (t) => {
  const directory = t.testdir({ 'a.yaml': '', 'b.yml': '', 'a+b.yaml': '', '.hidden.yaml': '', '..data': { 'c.yaml': '' }, p: { 'd.yaml': '', q: { 'e.yaml': '', r: { 'f.yaml': '' } }, 'x.yaml': {} } })
  symlinkSync('..data/c.yaml', path.join(directory, 'c.yaml'))
  symlinkSync('.', path.join(directory, 'p', 'round'))
  symlinkSync('nowhere', path.join(directory, 'broken.yaml'))
  const found = (pattern: string): string[] => expandGlob(pattern, directory).map((file) => path.relative(directory, file))
  t.same(found('*.yaml'), ['a+b.yaml', 'a.yaml', 'c.yaml'], 'links to files count, hidden and broken ones do not')
  t.same(found('?.y*ml'), ['a.yaml', 'b.yml', 'c.yaml'])
  t.same(found('p/*.yaml'), ['p/d.yaml'], 'a folder is no file')
  t.same(found('p/**/*.yaml'), ['p/d.yaml', 'p/q/e.yaml', 'p/q/r/f.yaml'], 'links to folders are not followed by **')
  t.same(found('**/?.yaml'), ['a.yaml', 'c.yaml', 'p/d.yaml', 'p/q/e.yaml', 'p/q/r/f.yaml'], 'nor are hidden folders')
  t.same(found('./p/../*.yml'), ['b.yml'])
  t.same(found('.hid*'), ['.hidden.yaml'], 'unless the pattern has the dot')
  t.same(found('a+b.*'), ['a+b.yaml'], 'other signs stand for themselves')
  t.same(found('a.yaml/*'), [])
  t.same(found('gone/*'), [])
  t.same(expandGlob(path.join(directory, 'p', '*.yaml'), '/elsewhere'), [path.join(directory, 'p', 'd.yaml')], 'absolute')
  const folders = (pattern: string): string[] => {
    const looked = new Set<string>()
    expandGlob(pattern, directory, looked)
    return [...looked].map((folder) => path.relative(directory, folder)).sort()
  }
  t.same([folders('p/**/*.yaml'), folders('gone/*'), folders('a.yaml')], [['p', 'p/q', 'p/q/r', 'p/x.yaml'], ['gone'], []], 'where names may come and go')
  t.same([isGlob('a*'), isGlob('a?'), isGlob('a.yaml')], [true, true, false])
  t.end()
})
