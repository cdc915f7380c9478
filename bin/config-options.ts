import type { Terminal } from './terminal.js'

/** The configuration file where none is named. */
export function defaultFile ({ env }: Terminal): string {
  return env['SLUICE_CONFIG'] || 'gateway.config.yaml'
}

/** The environment overlay where none is named: undefined is none. */
export function defaultEnvironment ({ env }: Terminal): string | undefined {
  return env['SLUICE_ENV'] || undefined
}

/** What `--env` says: an empty name (`--env "$UNSET"`) is none, as for start. */
export function environmentOf (flag: string | undefined): string | null {
  return flag === undefined || flag === '' ? null : flag
}
