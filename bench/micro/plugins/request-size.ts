/** What request-size costs per request. Run: node dist/bench/micro/plugins/request-size.js */
import type { BodySource } from '../../../core/context.js'
import requestSize from '../../../plugins/request-size/index.js'
import { benchRequest, instanceOf } from './plugin-hooks.js'

const body = (length: number | null): BodySource => ({ length, complete: false, bytesRead: 0, start () {}, pause () {}, resume () {}, abandon () {} })
const instance = await instanceOf(requestSize, {})

benchRequest('request, no body', instance, {})
benchRequest('request, Content-Length', instance, { method: 'POST', body: body(110) })
benchRequest('request, Content-Length, refused', instance, { method: 'POST', body: body(2 ** 30) })
benchRequest('request, chunked', instance, { method: 'POST', body: body(null) })
