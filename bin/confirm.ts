import { createInterface } from 'node:readline/promises'
import { CommandError } from './command.js'
import { EXIT } from './exit-codes.js'

/** Asks before something is lost. Throws CommandError where nobody can be asked, or the answer is no. */
export async function confirm (what: string, id: string): Promise<void> {
  if (!process.stdin.isTTY) throw new CommandError(`${what}, and nobody is there to be asked`, 'say --yes if that is what you want', EXIT.usage)
  const asking = createInterface({ input: process.stdin, output: process.stderr })
  try {
    if (await asking.question(`${what}. Type ${id} to go on: `) !== id) throw new CommandError('nothing was done', '')
  } finally {
    asking.close()
  }
}
