/** One worker process: a data node that its primary starts, asks and stops over IPC. */
import { ConfigError } from '../core/errors.js'
import { createLogger, type LogLevel } from '../core/observe/logger.js'
import { startDataNode, type DataNode } from './data-node.js'
import { statusOf } from './single.js'
import type { FromWorker, Question, ToWorker, WorkerStart } from './worker-protocol.js'

process.setSourceMapsEnabled(true)
let node: DataNode | null = null

function send (message: FromWorker): void {
  process.send?.(message)
}

async function start ({ file, environment, logLevel, operatorToken, port }: WorkerStart): Promise<void> {
  try {
    node = await startDataNode({
      file, environment, env: process.env, log: createLogger({ level: logLevel as LogLevel }), operatorToken, watch: true, ...(port === null ? {} : { port })
    })
    send({ type: 'ready', listeners: node.listeners, stopMs: node.root.stopMs })
  } catch (error) {
    send({ type: 'failed', message: error instanceof Error ? error.message : String(error), findings: error instanceof ConfigError ? error.findings : [] })
    process.disconnect()
    process.exitCode = 1
  }
}

async function answer (question: Question): Promise<unknown> {
  if (question === 'ping') return null
  if (node === null) throw new Error('the worker has not started yet')
  if (question === 'reload') return node.reload()
  if (question === 'status') return statusOf(node)
  return node.metrics.toJSON()
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'start') void start(message.start)
  else if (message.type === 'reopenLogs') node?.reopenLogs()
  else if (message.type === 'stop') void (node?.stop() ?? Promise.resolve(true)).then((clean) => { process.exit(clean ? 0 : 3) })
  else {
    answer(message.question).then(
      (value) => { send({ type: 'answer', id: message.id, value }) },
      (error: unknown) => { send({ type: 'refused', id: message.id, message: String(error) }) }
    )
  }
})

// A terminal's Ctrl-C reaches the whole process group; stopping in order is the primary's business.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
// The primary is gone: nobody would ever stop this one.
process.on('disconnect', () => { void (node?.stop() ?? Promise.resolve(true)).then(() => { process.exit() }) })
