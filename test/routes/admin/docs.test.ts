import { test } from 'tap'
import { OPERATIONS } from '../../../routes/admin/operations.js'
import { openAdminApi, OPERATOR_TOKEN } from '../../fixtures/admin-api.js'
import { openPage } from '../../fixtures/chromium.js'
import { service } from '../../fixtures/services.js'

const chromium = service('chromium')
const FILES = ['/admin/docs', '/admin/docs/page.css', '/admin/docs/page.js', '/admin/docs/scalar.js']

test('docs: the page and what it is made of are for everybody, and hold nothing of the API; the document needs a token', async (t) => {
  const { ask } = await openAdminApi(t)
  for (const path of FILES) {
    const { status, headers, text } = await ask('GET', path, { token: null })
    t.equal(status, 200, path)
    t.match(headers.get('content-type'), path.endsWith('.css') ? /^text\/css/ : path.endsWith('.js') ? /^text\/javascript/ : /^text\/html/)
    const policy = headers.get('content-security-policy') ?? ''
    t.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; .*connect-src 'self';/)
    t.notMatch(policy, /https?:|unsafe-eval|\*/)
    t.match([headers.get('x-content-type-options'), headers.get('referrer-policy'), headers.get('x-frame-options')], ['nosniff', 'no-referrer', 'DENY'])
    for (const { id, summary } of OPERATIONS.filter((one) => one.id.includes('.'))) if (text.includes(summary) || (!path.endsWith('scalar.js') && text.includes(id))) t.fail(`${path} shows ${id}`)
    if (!path.endsWith('scalar.js')) t.notMatch(text, /https?:\/\//, 'names no other place')
  }
  t.equal((await ask('GET', '/admin/openapi.json', { token: null })).status, 401)
  t.equal((await ask('GET', '/admin/docs/other', { token: null })).status, 401)
})

test('docs: the script comes compressed, whole, and once to who has it', async (t) => {
  const { ask } = await openAdminApi(t)
  const [packed, plain] = [await ask('GET', '/admin/docs/scalar.js', { headers: { 'accept-encoding': 'gzip' } }), await ask('GET', '/admin/docs/scalar.js', { headers: { 'accept-encoding': 'identity' } })]
  t.equal(packed.headers.get('content-encoding'), 'gzip')
  t.ok(Number(packed.headers.get('content-length')) < 1_500_000)
  t.equal(plain.headers.get('content-encoding'), null)
  t.equal(packed.text, plain.text)
  t.match(plain.text, /createApiReference/)
  t.equal((await ask('GET', '/admin/docs/scalar.js', { headers: { 'if-none-match': packed.headers.get('etag') ?? '' } })).status, 304)
})

test('docs: in a browser every operation is shown, no request leaves the port, and nothing breaks the policy', { skip: chromium.skip }, async (t) => {
  const { url } = await openAdminApi(t)
  const page = await openPage(t, chromium.url ?? '')
  await page.open(`${url}/admin/docs`)
  await page.until("document.querySelector('#token') !== null")
  t.notOk(await page.evaluate<boolean>("document.body.innerText.includes('/admin/projects')"), 'nothing is shown without a token')
  t.notOk(page.requests.some((address) => address.endsWith('.json') || address.endsWith('scalar.js')), 'nor asked for')
  const enter = (token: string): Promise<void> => page.evaluate(`document.querySelector('#token input').value = ${JSON.stringify(token)}; document.querySelector('#token button').click()`)
  await enter('sat_wrong')
  await page.until("document.querySelector('#token output').textContent.includes('not the admin token')")
  t.same(page.problems.splice(0).filter((problem) => !problem.includes('401')), [], 'but the 401')
  await enter(OPERATOR_TOKEN)
  await page.until("document.querySelector('#token') === null && document.body.innerText.includes('Sluice admin API')")
  // Groups are closed at first, and what is far below is made when it is near: opened and scrolled until all was there.
  const shown = new Set<string>()
  const paths = new Set(OPERATIONS.map(({ url: path }) => path.replace(/:(\w+)/g, '{$1}')))
  for (let rounds = 0; rounds < 60 && shown.size < paths.size; rounds++) {
    const text = await page.evaluate<string>("for (const button of document.querySelectorAll('#reference [aria-expanded=false]')) button.click(); window.scrollTo(0, document.body.scrollHeight); document.body.innerText.replaceAll(/[\\u200b\\s]+/g, ' ')")
    for (const path of paths) if (text.includes(path)) shown.add(path)
    await new Promise((resolve) => { setTimeout(resolve, 100) })
  }
  t.same([...paths].filter((path) => !shown.has(path)), [], 'every path is shown')
  t.same([...new Set(page.requests)].filter((address) => !address.startsWith(`${url}/admin/`) && !address.startsWith('data:') && !address.startsWith('blob:')), [], 'no request goes elsewhere')
  t.ok(page.requests.includes(`${url}/admin/openapi.json`))
  t.notOk(page.requests.some((address) => address.includes(OPERATOR_TOKEN)), 'the token is in no address')
  t.same(page.problems, [])
  const kept = await page.evaluate<string>("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")
  t.notOk(kept.includes(OPERATOR_TOKEN), 'and is kept nowhere')
})
