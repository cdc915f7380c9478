/** What debug costs those who are no operators. Run: node dist/bench/micro/plugins/debug.js */
import debug from '../../../plugins/debug/index.js'
import { benchRequest, benchResponse, instanceOf } from './plugin-hooks.js'

benchRequest('request, nothing asked for', await instanceOf(debug, {}), {})
benchRequest('request, a wrong token', await instanceOf(debug, {}), { headers: ['x-sluice-debug', 'wrong'] })
benchResponse('response, nothing asked for', await instanceOf(debug, {}), {})
