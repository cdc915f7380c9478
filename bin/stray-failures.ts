import { fileURLToPath } from 'node:url'
import type { Logger } from '../core/host.js'

/** Where this program's own code is: everything beside `node:` and packages that a stack may name and that is not an author's. */
const OWN = fileURLToPath(new URL('../..', import.meta.url))

/**
 * Keeps what an author's plugin does outside of its hooks from ending the process: a promise that nobody waits for and that rejects, and an
 * error that is thrown out of a timer or an event, are logged. An error that went through the gateway's own code ends the process,
 * because nobody knows what it left half done.
 */
export function logStrayFailures (log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error({ error: reason instanceof Error ? reason.stack ?? reason.message : String(reason) }, 'a promise was rejected that nobody waits for')
  })
  process.on('uncaughtException', (error: unknown, origin) => {
    const stack = error instanceof Error ? error.stack ?? '' : ''
    if (isAuthors(stack)) {
      log.error({ error: stack }, 'a plugin threw outside of its hooks')
      return
    }
    // As Node does it where nobody listens.
    process.stderr.write(`${origin}: ${stack === '' ? String(error) : stack}\n`, () => { process.exit(1) })
  })
}

/** Whether a stack shows an author's code and none of this program's. */
export function isAuthors (stack: string): boolean {
  const files = stack.split('\n').slice(1).filter((line) => /^ {4}at /.test(line)).map((line) => /\(?((?:file:\/\/)?\/[^()]*|[A-Za-z]:\\[^()]*):\d+:\d+\)?$/.exec(line.trim())?.[1] ?? '').filter((file) => file !== '')
  return files.length > 0 && files.every((file) => !(file.startsWith('file:') ? fileURLToPath(file) : file).startsWith(OWN))
}
