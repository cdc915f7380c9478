import { InvalidArgumentError, type Command } from 'commander'
import { createEcho } from '../../routes/builtin/echo.js'
import { runCommand } from '../command.js'
import { EXIT } from '../exit-codes.js'
import type { Terminal } from '../terminal.js'

/** Adds `sluice echo`. */
export function addEcho (program: Command, terminal: Terminal): void {
  program.command('echo')
    .description('run the echo service alone: an upstream that answers with what it received')
    .option('-p, --port <number>', 'port; 0 picks a free one', parsePort, 0)
    .option('--host <address>', 'address to listen on', '127.0.0.1')
    .option('--json', 'the ready line as JSON')
    .addHelpText('after', `
Any path answers 200 with the method, path, query, headers, body size and SHA-256 that it received. Others:
  /status/{code}  /delay/{ms}  /bytes/{n}[?chunked=1]  /stream/{n}[?interval=ms]  /sse[?events=n&interval=ms]  /ws

Examples:
  sluice echo --port 9001                 curl http://127.0.0.1:9001/hello
  sluice echo --port 0 --json             a free port, told as JSON

Signals: SIGTERM, SIGINT end it, with what it is answering.
Exit codes: 0 ended by a signal · 1 the port can not be used · 2 called wrongly`)
    .action(async ({ host, port, json }: { host: string, port: number, json?: boolean }) => {
      process.exitCode = await runCommand(terminal, json === true, async () => {
        const echo = await createEcho({ host, port })
        terminal.print(json === true ? JSON.stringify({ event: 'ready', listener: 'echo', url: echo.url, port: echo.port, pid: process.pid }) : `sluice: echo listens on ${echo.url}`)
        await new Promise<void>((resolve) => {
          process.once('SIGTERM', () => { resolve() })
          process.once('SIGINT', () => { resolve() })
        })
        await echo.close()
        return EXIT.ok
      })
    })
}

function parsePort (text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new InvalidArgumentError('a port is a number from 0 to 65535')
  return port
}
