/** What security-headers costs per answer. Run: node dist/bench/micro/plugins/security-headers.js */
import securityHeaders from '../../../plugins/security-headers/index.js'
import { benchResponse, instanceOf } from './plugin-hooks.js'

benchResponse('response, http, defaults', await instanceOf(securityHeaders, {}), {})
benchResponse('response, https, defaults', await instanceOf(securityHeaders, {}), { scheme: 'https' })
benchResponse('response, https, override', await instanceOf(securityHeaders, { override: true }), { scheme: 'https' })
