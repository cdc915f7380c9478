/** The thread in which the embedded store works (`sqlite-thread.ts`). */
import { parentPort, workerData } from 'node:worker_threads'
import { serveEngine } from './serve-engine.js'
import { openSqliteEngine, type SqliteOptions } from './sqlite-engine.js'

if (parentPort === null) throw new Error('this file is the entry of a thread')
const opening = openSqliteEngine(workerData as SqliteOptions)
// Whoever asks first is told why it can not be opened; until then it is nobody's.
opening.catch(() => {})
serveEngine(parentPort, opening)
