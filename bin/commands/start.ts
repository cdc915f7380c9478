import { readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Worker } from 'node:worker_threads'
import { InvalidArgumentError, Option, type Command } from 'commander'
import { createConfigLoader } from '../../core/config/loader.js'
import { ConfigError, formatFinding } from '../../core/errors.js'
import { createLogger, type GatewayLogger, type LogLevel } from '../../core/observe/logger.js'
import { openAdminSide, type AdminSide, type AdminSideOptions } from '../admin-side.js'
import { prepareAdminThread, startAdminThread } from '../admin-thread.js'
import { loadAdminToken } from '../admin-token.js'
import { createCluster } from '../cluster.js'
import { EXIT } from '../exit-codes.js'
import { explainStart } from '../explain-start.js'
import type { Fleet } from '../fleet.js'
import { loadStoreRing } from '../open-store.js'
import { createSingle } from '../single.js'
import { logStrayFailures } from '../stray-failures.js'

interface StartFlags {
  config: string
  env?: string
  port?: number
  workers?: number | 'auto'
  logLevel: LogLevel
  json?: boolean
}

const LEVELS: readonly LogLevel[] = ['debug', 'info', 'warn', 'error', 'silent']
/** How long closing may take where there is nothing more to wait for: cut off in the middle of its work, the thread of an embedded store ends the process with SIGABRT. */
const CLOSE_MS = 1_500

/** Adds `sluice start`. */
export function addStart (program: Command): void {
  program.command('start')
    .description('run the gateway')
    .addOption(new Option('-c, --config <file>', 'configuration file').env('SLUICE_CONFIG').default('gateway.config.yaml'))
    .addOption(new Option('-e, --env <name>', 'environment overlay').env('SLUICE_ENV'))
    .addOption(new Option('-p, --port <number>', 'data port in place of the configuration\'s; 0 picks a free one').argParser(parsePort))
    .addOption(new Option('-w, --workers <count>', 'processes in place of the configuration\'s: a number or "auto"').argParser(parseWorkers))
    .addOption(new Option('--log-level <level>', 'how much is logged').choices(LEVELS).env('SLUICE_LOG_LEVEL').default('info'))
    .option('--json', 'ready lines and findings as JSON')
    .addHelpText('after', `
Examples:
  sluice start                                   run gateway.config.yaml
  sluice start -c gateway.yaml --env staging     with an overlay
  sluice start --port 0 --json                   a free port, told as JSON

Signals: SIGTERM, SIGINT stop gracefully (a second one at once); SIGHUP reloads and opens log files anew.
Exit codes: 0 stopped in order · 1 the configuration or a port can not be used · 2 called wrongly · 3 stopped, requests were cut off`)
    .action((flags: StartFlags) => start(flags))
}

async function start (flags: StartFlags): Promise<void> {
  process.setSourceMapsEnabled(true)
  const log = createLogger({ level: flags.logLevel })
  logStrayFailures(log)
  const file = resolve(flags.config)
  const environment = flags.env === undefined || flags.env === '' ? null : flags.env
  const version = packageVersion()
  let fleet: Fleet | null = null
  let side: AdminSide | null = null
  try {
    // Beside the thread that loads the configuration, where there is a core for it: nearly always it is wanted then.
    const prepared = availableParallelism() > 1 && (flags.workers ?? 1) === 1 ? prepareAdminThread() : null
    const readAt = Date.now()
    const loader = createConfigLoader({ workerUrl: new URL('../config-worker.js', import.meta.url), file, environment, env: process.env })
    const first = await loader.load(new Map())
    if (!first.ok) { await loader.close(); throw new ConfigError(first.findings) }
    const { root } = first
    const admin = root.admin === null ? null : { ...root.admin, ...await loadAdminToken({ env: process.env, tokenFile: root.admin.tokenFile, stateDir: root.state.kind === 'embedded' ? root.state.path : '.' }) }
    const asked = flags.workers ?? root.workers
    const count = asked === 'auto' ? availableParallelism() : asked
    // One process makes what is missing, before there are several.
    side = await openSide({ state: root.state, keys: process.env['SLUICE_KEYS'], resolvers: root.domains.resolvers, docs: root.errorDocs, version, config: { file, environment }, admin }, prepared, count === 1, flags.logLevel, log)
    const { store } = side
    const shared = { file, environment, operatorToken: admin?.token ?? null, version }
    if (count === 1) {
      const { changed } = side
      fleet = await createSingle({ ...shared, env: process.env, log, watch: true, store, loader: { loader, first, readAt }, onChange: changed, ...(flags.port === undefined ? {} : { port: flags.port }) })
    } else {
      await loader.close()
      fleet = await createCluster({ count, log, store: store?.metrics ?? null, start: { ...shared, logLevel: flags.logLevel, port: flags.port ?? null } })
    }
    const adminUrl = await side.listen(fleet)
    // Before the ready lines: who has read them may send a signal at once.
    obeySignals(fleet, side, log)
    const tokenFile = admin === null || admin.source === 'environment' ? null : admin.source
    const listeners = [...fleet.listeners, ...(adminUrl === null ? [] : [{ name: 'admin', url: adminUrl, ...(tokenFile === null ? {} : { tokenFile }) }])]
    for (const listener of listeners) {
      const { name, url, ...more } = listener
      process.stdout.write(flags.json === true ? `${JSON.stringify({ event: 'ready', listener: name, url, port: portOf(url), pid: process.pid, workers: count, ...more })}\n` : `sluice: ${name} listens on ${url}\n`)
    }
    if (tokenFile !== null && flags.json !== true) process.stdout.write(`sluice: the admin token is in ${tokenFile}\n`)
  } catch (error) {
    await fleet?.kill()
    await side?.close()
    if (error instanceof ConfigError) {
      if (flags.json === true) process.stdout.write(`${JSON.stringify({ event: 'refused', findings: error.findings })}\n`)
      else for (const finding of error.findings) process.stderr.write(`${formatFinding(finding)}\n`)
    } else if (flags.json === true) process.stdout.write(`${JSON.stringify({ event: 'failed', message: explainStart(error) })}\n`)
    else process.stderr.write(`sluice: ${explainStart(error)}\n`)
    process.exit(EXIT.refused)
  }
}

/**
 * With one process that serves, store and admin API work in a thread of their own; with several they are all that their primary does. Where there is no store
 * what is left of the admin port is not worth a thread.
 */
async function openSide (options: AdminSideOptions, prepared: Worker | null, single: boolean, logLevel: LogLevel, log: GatewayLogger): Promise<AdminSide> {
  const { admin } = options
  const ring = single && admin !== null ? loadStoreRing({ ...options, log }) : undefined
  if (admin !== null && ring !== null && ring !== undefined) return await startAdminThread({ ...options, admin, ring, prepared, log, logLevel })
  await prepared?.terminate()
  return await openAdminSide({ ...options, ring }, log)
}

function obeySignals (fleet: Fleet, side: AdminSide, log: { info (fields: object, message: string): void, error (fields: object, message: string): void }): void {
  let stopping = false
  let atOnce = false
  let closing: Promise<void> | null = null
  const exit = (code: number): void => { process.exit(code) }
  const close = async (): Promise<void> => { await (closing ??= side.close()) }
  const stop = (signal: string): void => {
    if (stopping) {
      // What is cut off now ends the graceful stop as well: that one must not call it clean.
      atOnce = true
      setTimeout(exit, CLOSE_MS, EXIT.cutOff)
      void fleet.kill().then(close).catch(() => {}).finally(() => { exit(EXIT.cutOff) })
      return
    }
    stopping = true
    log.info({ signal }, 'stopping; a second signal ends at once')
    fleet.stop().then(async (clean) => {
      await Promise.race([close(), delay(CLOSE_MS)])
      exit(clean && !atOnce ? EXIT.ok : EXIT.cutOff)
    }).catch((error: unknown) => {
      log.error({ error: String(error) }, 'stopping failed')
      exit(EXIT.cutOff)
    })
  }
  process.on('SIGTERM', () => { stop('SIGTERM') })
  process.on('SIGINT', () => { stop('SIGINT') })
  process.on('SIGHUP', () => {
    fleet.reopenLogs()
    void fleet.reload()
  })
}

function parsePort (text: string): number {
  if (!/^\d{1,5}$/.test(text) || Number(text) > 65_535) throw new InvalidArgumentError('A port is 0 to 65535.')
  return Number(text)
}

function parseWorkers (text: string): number | 'auto' {
  if (text === 'auto') return text
  const count = /^\d{1,4}$/.test(text) ? Number(text) : 0
  if (count < 1 || count > 1024) throw new InvalidArgumentError('Write 1 to 1024, or auto.')
  return count
}

/** The port of an address, the scheme's own where it names none. */
function portOf (url: string): number {
  const { port, protocol } = new URL(url)
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

function packageVersion (): string {
  return (JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
