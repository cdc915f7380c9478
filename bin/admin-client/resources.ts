/** Something beside list, get, create, update and delete that can be done with a record. */
export interface Action {
  readonly name: string
  readonly description: string
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** Behind the record's address: `rotate`. */
  readonly path: string
  /** What is lost by it: asked about, unless `--yes`. */
  readonly destroys?: string
  /** Whether it takes fields. */
  readonly fields?: boolean
}

/** What can be done to many records at once. */
export interface BulkActions {
  readonly actions: readonly { readonly name: string, /** Whether it takes the other fields of a record. */ readonly fields?: boolean, readonly destroys?: string }[]
  /** Columns that new records have beside those of a list: what is shown once. */
  readonly shown: readonly string[]
  /** Whether `import FILE` is there for `bulk create FILE`. */
  readonly import: boolean
  /** What stands behind `bulk`. */
  readonly examples: readonly string[]
}

/** A kind of record of the admin API, as a group of commands. */
export interface Resource {
  /** The group: `sluice project …`. */
  readonly name: string
  readonly description: string
  /** `/admin/projects` */
  readonly path: string
  /** The columns of a list; the first is the id. */
  readonly columns: readonly [string, ...string[]]
  /** Fields of `create`, for its help. */
  readonly example: string
  /** Has a field `value` that is secret: it comes from a file, the environment or standard input. */
  readonly hasSecretValue?: true
  readonly can: readonly ('list' | 'get' | 'create' | 'update' | 'delete')[]
  readonly actions: readonly Action[]
  readonly bulk?: BulkActions
}

const ALL = ['list', 'get', 'create', 'update', 'delete'] as const

/** What the command line can do over the admin API. */
export const RESOURCES: readonly Resource[] = [
  {
    name: 'account', description: 'customers of the gateway', path: '/admin/accounts', columns: ['customer_id', 'name', 'status', 'created_at'], example: 'name=Acme', can: ALL,
    actions: [
      { name: 'suspend', description: 'stop serving its projects and keys', method: 'POST', path: 'suspend', destroys: 'everything of it stops being served' },
      { name: 'resume', description: 'serve it again', method: 'POST', path: 'resume' }
    ]
  },
  {
    name: 'project', description: 'APIs behind the gateway', path: '/admin/projects', columns: ['project_id', 'target_url', 'auth_type', 'active', 'customer_id'],
    example: 'target_url=https://api.internal:8443 auth_type=api_key', can: ALL,
    actions: [{ name: 'config', description: 'what is in effect, in the configuration language', method: 'GET', path: 'config?effective=true' }]
  },
  {
    name: 'key', description: 'API keys', path: '/admin/api-keys', columns: ['credential_id', 'name', 'prefix', 'project_id', 'status', 'expires_at', 'last_used_at'],
    example: 'project_id=shop name=mobile', can: ['list', 'get', 'create', 'update'],
    actions: [
      { name: 'revoke', description: 'end a key at once', method: 'DELETE', path: '', destroys: 'requests with it are refused at once' },
      { name: 'rotate', description: 'make a new key; the old one works on for a while', method: 'POST', path: 'rotate', fields: true },
      { name: 'regenerate', description: 'make a new key; the old one ends at once', method: 'POST', path: 'regenerate', destroys: 'requests with the old key are refused at once' },
      { name: 'usage', description: 'requests and errors by day', method: 'GET', path: 'usage' }
    ],
    bulk: {
      actions: [
        { name: 'create', fields: true }, { name: 'update', fields: true }, { name: 'rotate', fields: true }, { name: 'regenerate', destroys: 'requests with the old keys are refused at once' },
        { name: 'revoke', destroys: 'requests with them are refused at once' }
      ],
      shown: ['api_key', 'secret'], import: false,
      examples: ['create keys.csv --json > made.json', 'revoke leaked.csv --yes']
    }
  },
  {
    name: 'user', description: 'people', path: '/admin/users', columns: ['user_id', 'email', 'name', 'tier', 'status'], example: 'email=ada@example.com name=Ada', can: ALL,
    actions: [
      { name: 'deactivate', description: 'let somebody in no more', method: 'POST', path: 'deactivate' },
      { name: 'tier', description: "set somebody's tier", method: 'PUT', path: 'tier', fields: true },
      { name: 'export', description: 'all that is kept of somebody', method: 'GET', path: 'export' }
    ],
    bulk: {
      actions: [
        { name: 'create', fields: true }, { name: 'update', fields: true }, { name: 'activate' }, { name: 'deactivate', destroys: 'their tokens end for good' },
        { name: 'delete', destroys: 'they are removed with their tokens and memberships' }
      ],
      shown: [], import: true,
      examples: ['create users.csv', 'deactivate left.ndjson --yes']
    }
  },
  {
    name: 'team', description: 'people together', path: '/admin/teams', columns: ['team_id', 'name', 'description'], example: 'name=backend', can: ALL,
    actions: [
      { name: 'members', description: 'who is in it', method: 'GET', path: 'members' },
      { name: 'add-member', description: 'take somebody in', method: 'POST', path: 'members', fields: true }
    ]
  },
  {
    name: 'secret', description: 'values that configurations name as ${secret:NAME}', path: '/admin/secrets', columns: ['secret_id', 'name', 'project_id', 'version', 'updated_at'],
    example: 'name=API_TOKEN project_id=shop --value-file token.txt', hasSecretValue: true, can: ALL, actions: []
  },
  { name: 'consumer', description: 'who calls the APIs', path: '/admin/consumers', columns: ['consumer_id', 'name', 'status', 'created_at'], example: 'name=mobile-app', can: ALL, actions: [] },
  { name: 'plan', description: 'named limits', path: '/admin/plans', columns: ['plan_id', 'name', 'limits'], example: 'name=pro limits=\'{"requests":"1000/h"}\'', can: ALL, actions: [] },
  {
    name: 'domain', description: 'host names of projects', path: '/admin/domains', columns: ['domain_id', 'name', 'project_id', 'status', 'checked_at'], example: 'name=api.example.com project_id=shop', can: ['list', 'get', 'create', 'delete'],
    actions: [{ name: 'verify', description: 'look for its TXT record now', method: 'POST', path: 'verify' }]
  },
  {
    name: 'token', description: 'tokens for the admin API', path: '/admin/tokens', columns: ['token_id', 'name', 'role', 'scope', 'scope_id', 'expires_at'], example: 'name=ci role=developer', can: ['list', 'get', 'create'],
    actions: [{ name: 'revoke', description: 'end a token at once', method: 'DELETE', path: '', destroys: 'whoever uses it is refused at once' }]
  },
  {
    name: 'audit', description: 'who changed what', path: '/admin/audit', columns: ['audit_id', 'created_at', 'actor', 'action', 'target_id', 'outcome'], example: '', can: ['list', 'get'],
    actions: [{ name: 'erase', description: 'erase what an entry tells of people and contents', method: 'POST', path: 'erase', destroys: 'what it says of before, after and from where is lost; the chain holds' }]
  }
]
