import type { Logger } from '../core/host.js'

/** Logs promises that nobody waits for and that reject, instead of ending the process: an author's plugin that forgets one harms its own route, not the others. */
export function logStrayRejections (log: Logger): void {
  process.on('unhandledRejection', (reason) => {
    log.error({ error: reason instanceof Error ? reason.stack ?? reason.message : String(reason) }, 'a promise was rejected that nobody waits for')
  })
}
