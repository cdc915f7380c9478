import { createRequire } from 'node:module'
import type { Pool as WholePool, buildConnector } from 'undici'

// The package's own entry loads fetch, WebSocket, caches and mocks as well: 3 MB of heap in every process, which forwards without them.
const require = createRequire(import.meta.url)

/** undici's pool, loaded alone. */
export const Pool = require('undici/lib/dispatcher/pool.js') as typeof WholePool
/** A pool of undici. */
export type Pool = WholePool

/** What undici connects with, loaded alone. */
export const createUndiciConnector = require('undici/lib/core/connect.js') as typeof buildConnector
