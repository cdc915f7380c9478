import type { Writable } from 'node:stream'
import type { Command } from 'commander'
import pc from 'picocolors'

type Colors = ReturnType<typeof pc.createColors>

/** Where a command writes, and what it may know of the process around it. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Colours for `print`; they do nothing where no person looks at it. */
  readonly colors: Colors
  /** Colours for `complain`. */
  readonly errorColors: Colors
  /** Writes a line to standard output: what was asked for. */
  print (line: string): void
  /** Writes a line to standard error: what is said about it. */
  complain (line: string): void
}

/** The standard streams and the environment of a process, or what a test gives in their place. */
export interface Surroundings {
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable & { readonly isTTY?: boolean }
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Makes the terminal of a process. A reader that has gone (`| head`) is no error: what comes after is dropped. */
export function createTerminal ({ stdout, stderr, env }: Surroundings): Terminal {
  for (const stream of [stdout, stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
  // https://no-color.org: set to anything but nothing.
  const plain = (env['NO_COLOR'] ?? '') !== '' || env['TERM'] === 'dumb'
  return {
    env,
    colors: pc.createColors(!plain && stdout.isTTY === true),
    errorColors: pc.createColors(!plain && stderr.isTTY === true),
    print (line) { stdout.write(`${line}\n`) },
    complain (line) { stderr.write(`${line}\n`) }
  }
}

/** The flags by which somebody decides on colours. */
export interface ColorFlags {
  /** Left out: as the terminal has them. */
  readonly color?: boolean
}

/** Adds the flags that decide on colours (`ColorFlags`). */
export function addColorFlags (command: Command): Command {
  return command.option('--color', 'with colours, also where no terminal is').option('--no-color', 'without colours')
}

/** A terminal with the colours that were asked for. */
export function withColors (terminal: Terminal, { color }: ColorFlags): Terminal {
  return color === undefined ? terminal : { ...terminal, colors: pc.createColors(color) }
}

/** A text from elsewhere (a configuration, an upstream) with its control characters written out: it can not move the cursor or begin a line. */
export function visible (text: string): string {
  return text.replace(/[\x00-\x1f\x7f-\x9f]/g, (char) => char === '\n' ? '\\n' : char === '\t' ? '\\t' : `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
