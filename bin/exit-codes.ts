/** What the command line's exit codes mean; `--help` and docs/operations.md name them. */
export const EXIT = {
  /** Done; for `check`: nothing was found. */
  ok: 0,
  /** The configuration is not usable, or what was asked for could not be done. */
  refused: 1,
  /** The command was called wrongly. */
  usage: 2,
  /** Stopped, but requests were cut off. */
  cutOff: 3
} as const
