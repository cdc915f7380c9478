import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { createConfigLoader } from '../../core/config/loader.js'
import { ConfigError, formatFinding } from '../../core/errors.js'
import { createLogger, type LogLevel } from '../../core/observe/logger.js'
import { loadAdminToken } from '../admin-token.js'
import { openAdminPort } from '../admin-port.js'
import { createCluster } from '../cluster.js'
import { EXIT } from '../exit-codes.js'
import type { Fleet } from '../fleet.js'
import { createSingle } from '../single.js'

interface StartFlags {
  config: string
  env?: string
  port?: string
  workers?: string
  logLevel: string
  json?: boolean
}

/** Adds `sluice start`. */
export function addStart (program: Command): void {
  program.command('start')
    .description('run the gateway')
    .option('-c, --config <file>', 'configuration file', process.env['SLUICE_CONFIG'] ?? 'gateway.config.yaml')
    .option('-e, --env <name>', 'environment overlay (SLUICE_ENV)', process.env['SLUICE_ENV'])
    .option('-p, --port <number>', 'data port in place of the configuration\'s; 0 picks a free one')
    .option('-w, --workers <count>', 'processes in place of the configuration\'s: a number or "auto"')
    .option('--log-level <level>', 'debug, info, warn, error or silent', process.env['SLUICE_LOG_LEVEL'] ?? 'info')
    .option('--json', 'ready lines as JSON')
    .addHelpText('after', `
Examples:
  sluice start                                   run gateway.config.yaml
  sluice start -c gateway.yaml --env staging     with an overlay
  sluice start --port 0 --json                   a free port, told as JSON

Signals: SIGTERM, SIGINT stop gracefully (a second one at once); SIGHUP reloads and opens log files anew.
Exit codes: 0 stopped in order · 1 the configuration or a port can not be used · 3 stopped, requests were cut off at the deadline`)
    .action((flags: StartFlags) => start(flags))
}

async function start (flags: StartFlags): Promise<void> {
  process.setSourceMapsEnabled(true)
  const log = createLogger({ level: flags.logLevel as LogLevel })
  const file = resolve(flags.config)
  const environment = flags.env ?? null
  let stopping = false
  let fleet: Fleet | null = null
  try {
    const loader = createConfigLoader({ workerUrl: new URL('../config-worker.js', import.meta.url), file, environment, env: process.env })
    const first = await loader.load(new Map())
    if (!first.ok) { await loader.close(); throw new ConfigError(first.findings) }
    const { root } = first
    const admin = root.admin === null ? null : { ...root.admin, ...await loadAdminToken({ env: process.env, tokenFile: root.admin.tokenFile, stateDir: root.state.kind === 'embedded' ? root.state.path : '.' }) }
    const count = workerCount(flags.workers ?? root.workers)
    const shared = { file, environment, operatorToken: admin?.token ?? null }
    const port = flags.port === undefined ? undefined : Number(flags.port)
    if (count === 1) fleet = await createSingle({ ...shared, env: process.env, log, watch: true, loader: { loader, first }, ...(port === undefined ? {} : { port }) })
    else {
      await loader.close()
      fleet = await createCluster({ count, log, start: { ...shared, logLevel: flags.logLevel, port: port ?? null } })
    }
    const serving = fleet
    const adminPort = admin === null ? null : await openAdminPort(serving, { host: admin.host, port: admin.port, token: admin.token, log, config: { file, environment } })
    const listeners = [...serving.listeners, ...(adminPort === null ? [] : [{ name: 'admin', url: adminPort.url }])]
    for (const { name, url } of listeners) {
      process.stdout.write(flags.json === true ? `${JSON.stringify({ event: 'ready', listener: name, url, port: Number(new URL(url).port), pid: process.pid, workers: count })}\n` : `sluice: ${name} listens on ${url}\n`)
    }
    if (admin !== null && admin.source !== 'environment' && flags.json !== true) process.stdout.write(`sluice: the admin token is in ${admin.source}\n`)

    const stop = (signal: string): void => {
      if (stopping) { void serving.kill().finally(() => { process.exit(EXIT.cutOff) }); return }
      stopping = true
      log.info({ signal, deadlineMs: root.stopMs }, 'stopping')
      serving.stop().then(async (clean) => {
        await adminPort?.close()
        process.exit(clean ? EXIT.ok : EXIT.cutOff)
      }, (error: unknown) => { log.error({ error: String(error) }, 'stopping failed'); process.exit(EXIT.cutOff) })
    }
    process.on('SIGTERM', () => { stop('SIGTERM') })
    process.on('SIGINT', () => { stop('SIGINT') })
    process.on('SIGHUP', () => {
      serving.reopenLogs()
      void serving.reload()
    })
  } catch (error) {
    await fleet?.kill()
    if (error instanceof ConfigError) {
      if (flags.json === true) process.stdout.write(`${JSON.stringify({ event: 'refused', findings: error.findings })}\n`)
      else for (const finding of error.findings) process.stderr.write(`${formatFinding(finding)}\n`)
    } else process.stderr.write(`sluice: ${explainStart(error)}\n`)
    process.exit(EXIT.refused)
  }
}

function workerCount (asked: string | number): number {
  const count = asked === 'auto' ? availableParallelism() : Number(asked)
  if (!Number.isInteger(count) || count < 1 || count > 256) throw new Error(`"${asked}" is no number of workers (write 1 to 256, or auto)`)
  return count
}

function explainStart (error: unknown): string {
  const { code, message, address, port } = error as NodeJS.ErrnoException & { address?: string, port?: number }
  if (code === 'EADDRINUSE') return `${address ?? ''}:${port ?? ''} is taken (end the other process, or choose another port with listen.port or --port)`
  if (code === 'EACCES') return `may not listen on ${address ?? ''}:${port ?? ''} (ports below 1024 need a privilege; choose a higher one)`
  return message
}
