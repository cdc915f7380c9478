import type { Command } from 'commander'

/** Adds the flags that say which gateway a command means (`ConnectionFlags`). */
export function addConnectionFlags (command: Command): Command {
  return command
    .option('--url <url>', 'the admin port')
    .option('--profile <name>', 'a gateway of your profiles')
    .option('--token-file <file>', 'file with the token, mode 0600')
}
