import { execFileSync } from 'node:child_process'
import { test } from 'tap'
import { isPublicSuffix } from '../../../core/lib/public-suffix.js'

test('public suffix: what others register names below is told from what they register', (t) => {
  const suffixes = [
    'com', 'co.uk', 'me.uk', 'com.au', 'geek.nz', 'kobe.jp', 'any.kobe.jp', 'any.ck', 'k12.ca.us', 'xn--p1ai', 'xn--55qx5d.cn', 'xn--mgbaam7a8h',
    'github.io', 'gitlab.io', 'vercel.app', 'herokuapp.com', 'azurewebsites.net', 'appspot.com', 'workers.dev', 's3.amazonaws.com', 'eu.org'
  ]
  for (const name of suffixes) t.equal(isPublicSuffix(name), true, name)
  const registered = [
    'example.com', 'example.co.uk', 'a.example.co.uk', 'city.kobe.jp', 'www.ck', 'example.xn--p1ai', 'xn--bcher-kva.example', 'xn--55qx5d.com', 'mine.github.io', 'a.mine.github.io', 'shop.vercel.app', 'github.com', 'amazonaws.com'
  ]
  for (const name of registered) t.equal(isPublicSuffix(name), false, name)
  t.end()
})

test('public suffix: of a top level that is not known only itself is one', (t) => {
  t.same(['nosuchtop', 'com.nosuchtop', 'a.com.nosuchtop', 'xn--unknown-9za'].map(isPublicSuffix), [true, false, false, true])
  t.end()
})

test('public suffix: the list is read when the first name is asked about', (t) => {
  const script = `
    const { createRequire } = await import('node:module')
    const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('tldts'))
    const { readDomainName } = await import(${JSON.stringify(new URL('../../../core/lib/domain-name.js', import.meta.url).href)})
    const before = loaded()
    readDomainName('api.example.com')
    process.stdout.write(JSON.stringify([before, loaded()]))`
  t.same(JSON.parse(execFileSync(process.execPath, ['--input-type=module', '-e', script], { encoding: 'utf8' })), [false, true])
  t.end()
})
