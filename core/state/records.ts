/**
 * What the store keeps: plain JSON records, the same in every engine, in backups and (less what is secret) in the admin API. Times are
 * UTC in ISO 8601 with milliseconds, which sort as text.
 */

/** What every record has beside its own id. */
export interface RecordBase {
  /** The account that it belongs to: the tenant. */
  readonly customer_id: string
  /** Counts writes, from 1: a write names the revision that it replaces. */
  readonly rev: number
  readonly created_at: string
  readonly updated_at: string
}

declare const SEALED: unique symbol

/**
 * A value that was encrypted by the key ring (`KeyRing.seal`): it names its key and can be read back. A type of its own, so that a plain
 * secret can not be stored by mistake; `sealed-fields.ts` lists every field that has it.
 */
export type Sealed = string & { readonly [SEALED]: true }

/** Limits of a plan or of one key, as the configuration language writes them (`requests: 1000/h`). */
export type Limits = Readonly<Record<string, string>>

/** A customer of the gateway. Its own id is its `customer_id`. */
export interface Account extends RecordBase {
  readonly name: string
  readonly email: string | null
  readonly status: 'active' | 'suspended'
}

/** A tenant's API. */
export interface Project extends RecordBase {
  readonly project_id: string
  /** The short form: one upstream for every path; null where `config` says everything. */
  readonly target_url: string | null
  readonly auth_type: 'api_key' | 'oauth' | 'none'
  readonly active: boolean
  /** A label. */
  readonly api_version: string | null
  /** The project in the configuration language, as its tenant wrote it, sealed whole (`sealed-config.ts`); null where the short form is all there is. */
  readonly config: Sealed | null
  /** Who wrote it decides what it may contain. */
  readonly written_by: 'operator' | 'tenant'
  /**
   * The number of the version that this is, from 1: it grows with each change of `config`, `target_url`, `auth_type` and `written_by`. The version
   * is here whole, so that none is served which is none; its record in `config_versions` follows, at the latest before the next change.
   */
  readonly config_version: number
  /** Who made that version: a token's id, or `operator`. */
  readonly config_author: string
  readonly config_comment: string | null
}

/** A host name that a project claims. It serves the project while it is verified. */
export interface Domain extends RecordBase {
  readonly domain_id: string
  readonly project_id: string
  /** Lower-case, ASCII (IDNA), without a trailing dot. */
  readonly name: string
  readonly status: 'pending' | 'verified' | 'unverified'
  /** 256 bits, base64url: what the TXT record has to hold; null once void. */
  readonly challenge: string | null
  readonly verified_at: string | null
  readonly checked_at: string | null
  /** Since when every look-up failed; null while they do not. */
  readonly failing_since: string | null
}

/** A person. */
export interface User extends RecordBase {
  readonly user_id: string
  readonly email: string
  readonly name: string | null
  readonly tier: string | null
  readonly status: 'active' | 'inactive'
}

/** Users together. */
export interface Team extends RecordBase {
  readonly team_id: string
  readonly name: string
  readonly description: string | null
}

/** What a person, token or team may be told to do. */
export type Role = 'operator' | 'owner' | 'admin' | 'developer' | 'auditor'

/** That a user has a role somewhere. */
export interface Membership extends RecordBase {
  readonly membership_id: string
  readonly user_id: string
  /** The team by which the user has it; null = on its own. */
  readonly team_id: string | null
  readonly scope: 'account' | 'project' | 'consumer'
  /** The id of the account, project or consumer. */
  readonly scope_id: string
  readonly role: Role
}

/** Who calls a project's API: an application or an end customer. */
export interface Consumer extends RecordBase {
  readonly consumer_id: string
  readonly name: string
  readonly status: 'active' | 'inactive'
  readonly metadata: Readonly<Record<string, unknown>>
  /** The project that it was made for, with a key for which none was named, and goes with; absent or null = it is there for itself. */
  readonly made_for?: string | null
}

/** What a consumer shows to a project. Only its digest is kept. */
export interface Credential extends RecordBase {
  readonly credential_id: string
  readonly project_id: string
  readonly consumer_id: string
  readonly kind: 'api_key'
  readonly name: string | null
  /** The beginning of the key, by which it is looked up and shown. */
  readonly prefix: string
  /** Keyed SHA-256 of the whole key, base64url. */
  readonly digest: string
  /** The pepper of the key ring that keyed the digest. */
  readonly pepper_id: string
  /** The HMAC secret that goes with the key; null = there is none. */
  readonly secret: Sealed | null
  readonly status: 'active' | 'revoked'
  readonly plan_id: string | null
  readonly limits: Limits | null
  /** CIDR blocks from which alone it works; empty = from everywhere. */
  readonly allowed_networks: readonly string[]
  readonly require_signature: boolean
  /** Null = never. A rotated key's is the end of the overlap. */
  readonly expires_at: string | null
  readonly last_used_at: string | null
  readonly revoked_at: string | null
  /** The key that it was rotated into. */
  readonly replaced_by: string | null
}

/** Named limits. */
export interface Plan extends RecordBase {
  readonly plan_id: string
  readonly name: string
  readonly limits: Limits
}

/** That a consumer has a plan for a project. */
export interface Subscription extends RecordBase {
  readonly subscription_id: string
  readonly consumer_id: string
  readonly project_id: string
  readonly plan_id: string
  readonly status: 'active' | 'ended'
}

/** A value that the configurations of projects name as `${secret:NAME}`, in place of holding it. */
export interface Secret extends RecordBase {
  readonly secret_id: string
  /** The only project that can name it; null = every project of the account that has none of this name itself. */
  readonly project_id: string | null
  /** Once within the project, or among those of the account. */
  readonly name: string
  readonly value: Sealed
  /** Counts the values that it had, from 1. */
  readonly version: number
}

/** A token for the admin API. Only its digest is kept. */
export interface AdminToken extends RecordBase {
  readonly token_id: string
  /** Whose it is; null = nobody's in particular. */
  readonly user_id: string | null
  readonly name: string
  readonly prefix: string
  readonly digest: string
  readonly pepper_id: string
  readonly role: Role
  readonly scope: 'account' | 'project'
  readonly scope_id: string
  readonly status: 'active' | 'revoked'
  readonly expires_at: string | null
  readonly last_used_at: string | null
}

/** One version of a project's configuration. Never changed; of each project the present one and the hundred before it are kept. */
export interface ConfigVersion extends RecordBase {
  /** Made of `project_id` and `version`: the record of one version can be written twice without harm. */
  readonly config_version_id: string
  readonly project_id: string
  /** Counts from 1 within the project. */
  readonly version: number
  /** As the project had it, sealed in the same place. */
  readonly config: Sealed | null
  readonly target_url: string | null
  readonly auth_type: Project['auth_type']
  readonly written_by: Project['written_by']
  /** Who made it: a token's id, or `operator`. */
  readonly author: string
  readonly comment: string | null
}

/**
 * One entry of the audit trail: what somebody was about to do, or what came of it. Never replaced, but for a payload that is erased.
 * Each names the hash of the one before, and all tenants' are one chain.
 */
export interface AuditRecord extends RecordBase {
  /** Made of `seq`: two writers can not add the same one. */
  readonly audit_id: string
  /** Counts from 1, without gaps. */
  readonly seq: number
  readonly request_id: string
  /** `intent` stands before the change, `outcome` behind it. */
  readonly phase: 'intent' | 'outcome'
  /** `projects.create` */
  readonly action: string
  /** Who: a token's id, or `operator`. */
  readonly actor: string
  /** What: the id of a record; null where that is not known yet. */
  readonly target_id: string | null
  /** `ok` or the code of the error; null in an intent. */
  readonly outcome: string | null
  /** What tells of people and contents: before, after, peer. Null once erased. */
  readonly payload: Readonly<Record<string, unknown>> | null
  /** SHA-256 of the payload, hex: the chain holds without it. */
  readonly payload_hash: string
  /** `hash` of the entry before; 64 zeros for the first. */
  readonly prev_hash: string
  readonly hash: string
}

/** The records by collection. */
export interface Records {
  accounts: Account
  projects: Project
  domains: Domain
  users: User
  teams: Team
  memberships: Membership
  consumers: Consumer
  credentials: Credential
  plans: Plan
  subscriptions: Subscription
  secrets: Secret
  admin_tokens: AdminToken
  config_versions: ConfigVersion
  audit_records: AuditRecord
}

/** The name of a collection. */
export type CollectionName = keyof Records

/** Which field of a record is its id. An id is one record's for good: also after that is gone. */
export const ID_FIELDS = {
  accounts: 'customer_id', projects: 'project_id', domains: 'domain_id', users: 'user_id', teams: 'team_id', memberships: 'membership_id', consumers: 'consumer_id',
  credentials: 'credential_id', plans: 'plan_id', subscriptions: 'subscription_id', secrets: 'secret_id', admin_tokens: 'token_id', config_versions: 'config_version_id', audit_records: 'audit_id'
} as const satisfies { [C in CollectionName]: keyof Records[C] }

/** The account of projects that files declare. */
export const LOCAL_ACCOUNT = 'local'
