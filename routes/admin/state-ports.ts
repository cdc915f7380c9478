import type { Finding } from '../../core/errors.js'
import type { ProofOutcome } from '../../core/state/domain-proof.js'
import type { Domain, Project, Sealed } from '../../core/state/records.js'
import type { OpenStore } from '../../core/state/store.js'
import type { SystemView } from './system-view.js'

/** A key or token that was just made: the text goes to who asked for it and nowhere else. */
export interface NewKey {
  readonly text: string
  readonly prefix: string
  readonly digest: string
  readonly pepperId: string
}

/** Makes what must be secret, and compares it. */
export interface KeyMaker {
  createApiKey (): NewKey
  createAdminToken (): NewKey
  /** The prefix of what may be an admin token by its form, or null. Asks no store. */
  tokenPrefix (text: string): string | null
  /** Whether a digest was made of this text; in the same time wherever they differ. */
  matches (text: string, digest: string, pepperId: string): boolean
  /** The keyed digest of a text; `matches` compares another text with it. */
  digest (text: string): { readonly digest: string, readonly pepperId: string }
  /** A value that configurations will name, as it is kept. */
  sealSecretValue (customerId: string, value: string): Sealed
  /** Makes the HMAC secret of a credential, as it is shown and as it is kept. */
  createSecret (customerId: string): { readonly text: string, readonly sealed: Sealed }
}

/** A project that files declare: shown, never changed. */
export interface DeclaredProject {
  readonly project_id: string
  readonly target_url: string | null
}

/** Where a project's configuration names a secret. */
export interface SecretUse {
  /** The ids of the routes that it is for: those that name it, or have a plugin or an upstream that does. */
  readonly routes: readonly string[]
  /** JSON pointers into the configuration. */
  readonly places: readonly string[]
}

/** A configuration as the store keeps it, with the account that it is of. */
export type KeptConfig = Pick<Project, 'customer_id' | 'config'>

/**
 * Reads and shows projects in the configuration language. What it shows has keyed digests in the place of secrets. Where one can not be opened
 * (the key ring has lost its key) what shows it rejects with KeyRingError; it can be written anew.
 */
export interface ProjectConfigs {
  /** A configuration as the store keeps it. Throws InvalidValueError for what that can not keep. */
  seal (customerId: string, config: Readonly<Record<string, unknown>>): Sealed
  /** Whether two say the same, in whatever order; false where one can not be opened. */
  same (one: KeptConfig, other: KeptConfig): boolean
  /** The project as it is written, the short form written out. */
  written (project: Project): Promise<Record<string, unknown>>
  /** The project as it is written, for the audit trail: nothing can be taken out of that later, so that digests stand for all that may be a secret. */
  trail (project: Project): Promise<Record<string, unknown>>
  /** The project as it is served, with all defaults written out and what it inherits, in one form: what is served alike is the same. What inherited plugins are told is for operators. */
  effective (project: Project, byOperator: boolean): Promise<Record<string, unknown>>
  /** What shows and reads projects as if the gateway had the plugins that the `inherited` of a text names; the same where it names none. With findings there is none. */
  tryGateway (project: Project, text: string): Promise<{ configs: ProjectConfigs, findings: readonly Finding[] }>
  /** The names of the secrets that a configuration names; none where it can not be opened. */
  secretNames (of: KeptConfig): ReadonlySet<string>
  /** Where the configuration of the project, as it is kept, names a secret; null = nowhere. */
  secretUse (project: Project, name: string): SecretUse | null
  /** A text that is to become a project's configuration; digests that were shown of it stand for its secrets. With findings it may not be kept. */
  read (project: Project, text: string, byOperator: boolean): Promise<{ value: Record<string, unknown> | null, findings: readonly Finding[] }>
  /** What keeps a project from being kept as this record has it, by the rules of today. */
  check (project: Project): Promise<readonly Finding[]>
  /** The differences between two configurations as `effective` gives them; `text` has a line for each. */
  compare (before: Readonly<Record<string, unknown>>, after: Readonly<Record<string, unknown>>): Promise<{ changes: readonly ShownChange[], affectedRoutes: readonly string[], text: string }>
}

/** One difference between two configurations. */
export interface ShownChange {
  /** Keys, and for entries of lists what names them. */
  readonly path: readonly string[]
  readonly kind: 'added' | 'removed' | 'changed' | 'moved'
  readonly before: unknown
  readonly after: unknown
}

/** Proves who has a domain, and says which nobody can claim. */
export interface DomainPorts {
  /** A new challenge: 256 random bits. */
  createChallenge (): string
  /** What the DNS says of a claim now, and what becomes of it. Nothing is written. */
  look (domain: Domain): Promise<{ readonly outcome: ProofOutcome, readonly next: Domain }>
  /** Looks a verified domain up as it is done daily, and keeps what becomes of it. Null where it was changed or removed meanwhile. */
  check (domain: Domain): Promise<Domain | null>
  /** Where projects of the store are served without a domain of their own. */
  baseDomain (): string
  /** The hosts of projects that files declare, `*.suffix` too, as they serve now. */
  declaredHosts (): Promise<readonly string[]>
}

/** What the endpoints for tenants stand on; the composition root supplies it. */
export interface StatePorts {
  readonly open: OpenStore
  readonly keys: KeyMaker
  readonly configs: ProjectConfigs
  /** Milliseconds since 1970. */
  now (): number
  /** Random characters for an id, of `0-9 a-z`. */
  randomId (length: number): string
  /** Where a project is reached, without a slash at the end; null = under no address that is known. */
  projectUrl (projectId: string): string | null
  /** Resolves once every process of this node serves the project, or after a second. */
  whenServed (projectId: string): Promise<void>
  /** The ways to authenticate whose plugins are there. */
  readonly authTypes: readonly ('api_key' | 'oauth' | 'none')[]
  /** What speaks against a tenant's target (it may lead inside), as one sentence, or null. Operators' targets are not asked about. */
  refuseTarget (url: URL): Promise<string | null>
  readonly domains: DomainPorts
  /** The gateway as a whole; what the store can not tell now is null in it. */
  system (): Promise<SystemView>
  /** The projects that files declare, as they serve now. */
  declaredProjects (): Promise<readonly DeclaredProject[]>
  /** A project as its file writes it, environment laid over, secrets masked; null where none declares it. */
  declaredConfig (projectId: string): Promise<Readonly<Record<string, unknown>> | null>
  /**
   * A project that files declare as it serves, in the form of `configs.effective`; with a text as it would be served if the files said that. Null where
   * none declares it, and with findings.
   */
  declaredEffective (projectId: string, tried: string | null): Promise<{ config: Readonly<Record<string, unknown>> | null, findings: readonly Finding[] }>
}
