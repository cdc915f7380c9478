/** What api-key costs per request beside the look-up itself, which bench/micro/core/state/directory.ts measures. Run: node dist/bench/micro/plugins/api-key.js */
import { createTestDirectory } from '../../../core/key-fixtures.js'
import apiKey from '../../../plugins/api-key/index.js'
import { benchRequest, instanceOf } from './plugin-hooks.js'

const directory = createTestDirectory({ keys: { ak_live_1: { consumer: { id: 'ada', name: 'Ada' }, plan: { id: 'pro', name: 'Pro', limits: {} } } } })
const instance = await instanceOf(apiKey, {}, { directory })
benchRequest('request, a key that is found', instance, { headers: ['x-api-key', 'ak_live_1'] })
benchRequest('request, a key that is not found', instance, { headers: ['x-api-key', 'ak_live_2'] })
benchRequest('request, no key', instance, {})
