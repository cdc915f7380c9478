import { test } from 'tap'
import { isBroken, toStoreError } from '../../../core/state/mongodb-errors.js'

test('mongodb-errors: a socket that the server has ended is a store that does not answer, and other failures stay what they are', (t) => {
  for (const code of ['EPIPE', 'ECONNRESET', 'ERR_STREAM_DESTROYED']) {
    const error = Object.assign(new Error('This socket has been ended by the other party'), { code })
    t.ok(isBroken(error), code)
    t.match(toStoreError(error), { name: 'StoreUnavailableError', message: 'MongoDB can not be used: This socket has been ended by the other party', cause: error }, code)
  }
  for (const error of [Object.assign(new Error('x'), { code: 'ENOENT' }), new TypeError('x'), Object.assign(new TypeError('x'), { code: 'EPIPE' }), null, undefined, 'x']) {
    t.equal(isBroken(error), false)
    t.equal(toStoreError(error), error)
  }
  t.end()
})
