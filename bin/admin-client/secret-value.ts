import { readFile } from 'node:fs/promises'
import type { Readable } from 'node:stream'
import type { Command } from 'commander'
import { CommandError } from '../command.js'
import { EXIT } from '../exit-codes.js'

/** Where a command has a secret from. */
export interface SecretValueFlags {
  readonly valueFile?: string
  readonly valueEnv?: string
}

/** Adds the flags of a command that takes a secret: never the secret itself, which others on the machine could read there. */
export function addSecretValueFlags (command: Command): Command {
  return command
    .option('--value-file <file>', 'read the value from this file; without it, and without --value-env, it is read from standard input')
    .option('--value-env <name>', 'take the value of this environment variable')
    .addHelpText('after', '\nOne line end at the end of a file or of standard input is not part of the value.')
}

/** Reads the secret of a command. Throws CommandError where there is none, and where it is no text. */
export async function readSecretValue (
  { valueFile: file, valueEnv: name }: SecretValueFlags, env: Readonly<Record<string, string | undefined>>, stdin: Readable & { readonly isTTY?: boolean } = process.stdin
): Promise<string> {
  if (file !== undefined && name !== undefined) throw new CommandError('both --value-file and --value-env are given', 'keep one of them', EXIT.usage)
  if (name !== undefined) {
    const value = env[name]
    if (value === undefined || value === '') throw new CommandError(`the environment variable ${name} is not set`, 'set it, or pipe the value in', EXIT.usage)
    return value
  }
  if (file === undefined && stdin.isTTY === true) throw new CommandError('there is no value', 'pipe it in, or name --value-file or --value-env', EXIT.usage)
  const value = decode(file === undefined ? await readAll(stdin) : await readFile(file)).replace(/\r?\n$/, '')
  if (value === '') throw new CommandError(file === undefined ? 'standard input is empty' : `${file} is empty`, 'put the value into it', EXIT.usage)
  return value
}

async function readAll (stdin: Readable): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of stdin) chunks.push(Buffer.from(chunk as Uint8Array))
  return Buffer.concat(chunks)
}

function decode (bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch {
    throw new CommandError('the value is no UTF-8 text', 'encode it first, for example with base64', EXIT.usage)
  }
}
