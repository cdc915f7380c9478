/** What a template costs to render. Run: node dist/bench/micro/core/lib/template.js */
import { HeaderList } from '../../../../core/lib/header-list.js'
import { compileTemplate, type TemplateEncoding, type TemplateSource } from '../../../../core/lib/template.js'
import { nsPerCall } from '../../ns-per-call.js'

const source: TemplateSource = {
  id: 'req-1',
  request: {
    method: 'GET', path: '/api/v1/orders/42', query: 'page=2&size=10', host: 'shop.localhost', scheme: 'http', clientAddress: '192.0.2.7',
    headers: new HeaderList(['host', 'shop.localhost', 'user-agent', 'bench', 'accept', '*/*', 'x-foo', 'bar'])
  },
  params: { id: '42', name: 'J%C3%BCrgen' },
  route: { id: 'orders' },
  project: 'shop',
  get: () => ({ id: 'c1', plan: 'pro' })
}

let bytes = 0
for (const [text, encode] of [
  ['constant', 'none'], ['{{ params.id }}', 'header'], ['{{ params.name }}', 'header'], ['{{ request.header.x-foo }}', 'header'], ['{{ request.query.size }}', 'header'],
  ['{{ consumer.plan | "none" }}', 'header'], ['https://{{ request.host }}{{ request.path }}?{{ request.query }}', 'url'],
  ['{"id":"{{ params.id }}","method":"{{ request.method }}"}', 'json']
] as [string, TemplateEncoding][]) {
  const template = compileTemplate(text, { encode })
  const ns = nsPerCall(() => { bytes += template.render(source).length })
  console.log(`${ns.toFixed(0).padStart(6)} ns  ${encode.padEnd(6)}  ${text}`)
}
if (bytes === 0) throw new Error('nothing was rendered')
