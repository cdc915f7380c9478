/** What respond costs per request. Run: node dist/bench/micro/plugins/respond.js */
import respond from '../../../plugins/respond/index.js'
import { benchRequest, instanceOf } from './plugin-hooks.js'

benchRequest('request, constant', await instanceOf(respond, { body: { ok: true } }), {})
benchRequest('request, one value in JSON', await instanceOf(respond, { body: { id: '{{ params.id }}', ok: true } }), { params: { id: '42' } })
const examples = [{ name: 'a', body: { a: 1 } }, { name: 'b', status: 404, body: { b: 2 } }]
benchRequest('request, examples, none asked for', await instanceOf(respond, { body: 'x', examples }), {})
benchRequest('request, examples, one asked for', await instanceOf(respond, { body: 'x', examples }), { headers: ['prefer', 'example=b'] })
