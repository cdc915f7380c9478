/** What cors costs per request. Run: node dist/bench/micro/plugins/cors.js */
import cors from '../../../plugins/cors/index.js'
import { benchRequest, benchResponse, instanceOf } from './plugin-hooks.js'

const origin = 'https://app.example.com'
const any = await instanceOf(cors, { origins: ['*'] })
const exact = await instanceOf(cors, { origins: [origin, 'https://admin.example.com'], credentials: true })
const wildcard = await instanceOf(cors, { origins: ['https://*.example.org', 'https://*.example.com'], credentials: true })

benchRequest('request, not a preflight', exact, { headers: ['origin', origin] })
benchRequest('request, preflight, exact origin', exact, { method: 'OPTIONS', headers: ['origin', origin, 'access-control-request-method', 'PUT', 'access-control-request-headers', 'authorization,content-type'] })
benchResponse('response, any origin', any, { headers: ['origin', origin] })
benchResponse('response, no Origin', exact, {})
benchResponse('response, exact origin', exact, { headers: ['origin', origin] })
benchResponse('response, wildcard origin', wildcard, { headers: ['origin', origin] })
