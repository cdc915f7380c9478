/** What redirect costs per request. Run: node dist/bench/micro/plugins/redirect.js */
import redirect from '../../../plugins/redirect/index.js'
import { benchRequest, instanceOf } from './plugin-hooks.js'

benchRequest('request, constant target', await instanceOf(redirect, { to: 'https://example.com/' }), {})
benchRequest('request, one parameter', await instanceOf(redirect, { to: '/v2/orders/{{ params.id }}' }), { params: { id: '42' } })
benchRequest('request, host, path and query', await instanceOf(redirect, { to: 'https://{{ request.host }}{{ request.path }}', keepQuery: true }), {})
