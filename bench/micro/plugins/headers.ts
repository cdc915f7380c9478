/** What headers costs per request and per answer. Run: node dist/bench/micro/plugins/headers.js */
import headers from '../../../plugins/headers/index.js'
import { benchRequest, benchResponse, instanceOf } from './plugin-hooks.js'

benchRequest('request, set one constant', await instanceOf(headers, { request: { set: { 'x-a': '1' } } }), {})
benchRequest('request, set one parameter', await instanceOf(headers, { request: { set: { 'x-order': '{{ params.id }}' } } }), { params: { id: '42' } })
benchRequest('request, remove 2, rename 1, set 2', await instanceOf(headers, {
  request: { remove: ['cookie', 'x-b'], rename: { 'x-c': 'x-d' }, set: { 'x-a': '1', 'x-order': '{{ params.id }}' } }
}), { params: { id: '42' } })
benchResponse('response, set one constant', await instanceOf(headers, { response: { set: { 'x-a': '1' } } }), {})
benchResponse('response, remove 2, set 1, add 1', await instanceOf(headers, { response: { remove: ['server', 'x-powered-by'], set: { 'x-a': '1' }, add: { 'x-b': '2' } } }), {})
