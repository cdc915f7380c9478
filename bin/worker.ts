/** One worker process: a data node that its primary starts, asks and stops over IPC. */
import { ConfigError } from '../core/errors.js'
import { createLogger, type LogLevel } from '../core/observe/logger.js'
import { startDataNode, type DataNode } from './data-node.js'
import { explainStart } from './explain-start.js'
import { logStrayFailures } from './stray-failures.js'
import { servingOf, statusOf } from './single.js'
import type { FromWorker, Question, ToWorker, WorkerStart } from './worker-protocol.js'

process.setSourceMapsEnabled(true)
let node: DataNode | null = null

function send (message: FromWorker, sent: () => void = () => {}): void {
  if (process.connected) process.send?.(message, undefined, {}, sent)
  else sent()
}

async function start ({ file, environment, logLevel, operatorToken, port, version }: WorkerStart): Promise<void> {
  try {
    const log = createLogger({ level: logLevel as LogLevel })
    logStrayFailures(log)
    node = await startDataNode({
      file, environment, env: process.env, log, operatorToken, watch: true, version, ...(port === null ? {} : { port }),
      onReload: () => { if (node !== null) send({ type: 'serving', serving: servingOf(node) }) }
    })
    send({ type: 'ready', listeners: node.listeners, serving: servingOf(node) })
  } catch (error) {
    send({ type: 'failed', message: explainStart(error), findings: error instanceof ConfigError ? error.findings : [] }, () => { process.exit(1) })
  }
}

async function answer (question: Question): Promise<unknown> {
  if (question === 'ping') return null
  if (node === null) throw new Error('the worker has not started yet')
  if (question === 'reload') return await node.reload()
  if (question === 'describe') return await node.describe()
  if (question === 'status') return statusOf(node)
  if (typeof question === 'object') return await ('served' in question ? node.whenServed(question.served) : node.declaredConfig(question.project, question.tried))
  return await node.metrics.toJSON()
}

async function stop (): Promise<void> {
  if (node === null) process.exit(0)
  send({ type: 'stopping', deadlineMs: node.root.stopMs })
  process.exit(await node.stop() ? 0 : 3)
}

process.on('message', (message: ToWorker) => {
  if (message.type === 'start') void start(message.start)
  else if (message.type === 'reopenLogs') node?.reopenLogs()
  else if (message.type === 'stop') void stop()
  else {
    answer(message.question).then(
      (value) => { send({ type: 'answer', id: message.id, value }) },
      (error: unknown) => { send({ type: 'refused', id: message.id, message: String(error) }) }
    )
  }
})

// A terminal's Ctrl-C reaches the whole process group; stopping in order is the primary's business. Without the primary node:cluster ends this process.
process.on('SIGINT', () => {})
process.on('SIGTERM', () => {})
process.on('SIGHUP', () => {})
send({ type: 'up' })
