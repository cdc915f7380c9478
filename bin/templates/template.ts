/** What `sluice init --template NAME` writes. */
export interface ProjectTemplate {
  readonly name: string
  /** One line for `--help`. */
  readonly description: string
  /** Paths below the folder, and what stands in them. One is gateway.config.yaml, which `sluice check` passes as it is. */
  readonly files: readonly (readonly [path: string, text: string])[]
  /** A command that shows that it runs. */
  readonly try: string
}
