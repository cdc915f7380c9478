import { isIP } from 'node:net'
import { InvalidArgumentError, type Command } from 'commander'
import { parseDuration } from '../../core/lib/units.js'
import { Refusal } from '../../core/reply.js'
import { runCommand } from '../command.js'
import { defaultEnvironment, defaultFile, environmentOf } from '../config-options.js'
import { EXIT } from '../exit-codes.js'
import { parseAsked, readAsked } from '../explain/asked-request.js'
import { explainRequest } from '../explain/explain-request.js'
import { explanationLines } from '../explain/explanation-text.js'
import { createRecordingLog, runRequest } from '../explain/run-request.js'
import type { Terminal } from '../terminal.js'

/** What `sluice explain` is told. */
export interface ExplainOptions {
  method: string
  url: string
  /** `name: value` each. */
  headers: readonly string[]
  data: string | null
  /** The client's address. */
  from: string
  file: string
  environment: string | null
  run: boolean
  timeoutMs: number
  json: boolean
}

interface Flags { header: string[], data?: string, from: string, file: string, env?: string, run?: boolean, timeout: number, json?: boolean }

/** Adds `sluice explain`. */
export function addExplain (program: Command, terminal: Terminal): void {
  program.command('explain')
    .description('tell what serves a request, and why')
    .argument('<method>', 'like GET')
    .argument('<url>', 'http://host/path?query, or a path (then for the host localhost)')
    .option('-H, --header <field>', "a header, 'name: value'; may be given again", (field: string, before: string[]) => [...before, field], [])
    .option('-d, --data <text>', 'a request body')
    .option('--from <address>', "the client's address", parseAddress, '127.0.0.1')
    .option('-f, --file <file>', 'configuration file', defaultFile(terminal))
    .option('-e, --env <name>', 'environment overlay (SLUICE_ENV)', defaultEnvironment(terminal))
    .option('--run', 'send it through the pipeline, in this process, to the real upstream, and tell what each step decided')
    .option('--timeout <duration>', 'with --run: when an answer that does not end is cut off', parseTimeout, 10_000)
    .option('--json', 'one JSON object with all of it')
    .addHelpText('after', `
Tells the project and route that win and why the others do not; the steps in their order, with the place that put each there; where the request
goes, or which error answers it. The request is read as the listener would read it. Nothing is sent without --run.

Examples:
  sluice explain GET http://127.0.0.1:8080/echo/hello?x=1
  sluice explain POST /api/v1/orders -H 'host: shop.localhost' -H 'content-type: application/json'
  sluice explain GET /echo/hello --run
  sluice explain GET /echo/hello --json | jq '.pipeline[].plugin'

Exit codes: 0 explained, whatever serves the request · 1 the configuration can not be used · 2 called wrongly · 3 the answer of --run was cut off`)
    .action(async (method: string, url: string, { header, data, from, file, env, run, timeout, json }: Flags) => {
      process.exitCode = await explain({
        method, url, headers: header, data: data ?? null, from, file, environment: environmentOf(env), run: run === true, timeoutMs: timeout, json: json === true
      }, terminal)
    })
}

/** Explains a request, prints it, and gives the exit code. */
export function explain (options: ExplainOptions, terminal: Terminal): Promise<number> {
  const { file, environment, json, run } = options
  return runCommand(terminal, json, async () => {
    // Not before it is needed: `start` shares the program, and has no use for what parses and validates.
    const { compileConfig } = await import('../compile-config.js')
    const asked = parseAsked(options.method, options.url, options.headers, options.data, options.from)
    const log = createRecordingLog()
    const config = await compileConfig({ file, environment, env: terminal.env, log, startBuiltins: run, operatorToken: terminal.env['SLUICE_ADMIN_TOKEN'] ?? null })
    try {
      const request = readAsked(asked, config.gateway.policy)
      const explained = explainRequest(config, request)
      const ran = run && !(request instanceof Refusal) && !explained.own ? await runRequest(config.gateway, request, options.timeoutMs, log) : null
      const explanation = { ...explained, run: ran }
      if (json) terminal.print(JSON.stringify(explanation))
      else for (const line of explanationLines(explanation, terminal.colors)) terminal.print(line)
      return ran === null || ran.answer.complete ? EXIT.ok : EXIT.cutOff
    } finally {
      await config.close()
    }
  })
}

function parseAddress (text: string): string {
  if (isIP(text) === 0) throw new InvalidArgumentError('write an IP address')
  return text
}

function parseTimeout (text: string): number {
  try {
    return parseDuration(text)
  } catch (error) {
    throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
  }
}
