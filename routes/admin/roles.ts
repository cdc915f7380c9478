import { GatewayError } from '../../core/errors.js'
import type { Role } from '../../core/state/records.js'

/** Who asks. */
export interface Principal {
  /** What the audit trail calls it: `operator`, or the id of a token. */
  readonly actor: string
  readonly role: Role
  /** The account that it sees; null = all of them. */
  readonly customerId: string | null
  /** The only project that it sees; null = all of the account. */
  readonly projectId: string | null
}

/** A row of the table: the roles that may, and whether a token may that is for one project only. */
export interface Grant {
  readonly roles: readonly Role[]
  readonly inOneProject: boolean
  /** Roles that may beside these, where the token is of the operators' own account. */
  readonly ofOperators?: readonly Role[]
}

/** The account of what operators make without naming one: also that of the files. */
export const OPERATORS_ACCOUNT = 'local'

const EVERYBODY: readonly Role[] = ['operator', 'owner', 'admin', 'developer', 'auditor']
const WORKERS: readonly Role[] = ['operator', 'owner', 'admin', 'developer']
const CHIEFS: readonly Role[] = ['operator', 'owner', 'admin']
const WATCHERS: readonly Role[] = ['operator', 'owner', 'admin', 'auditor']

/** Who may do what. docs/roles.md shows it, and its test tries each cell. */
export const GRANTS = {
  'system': { roles: ['operator'], inOneProject: false },
  'system:read': { roles: ['operator'], inOneProject: false, ofOperators: ['auditor'] },
  'accounts:read': { roles: EVERYBODY, inOneProject: false },
  'accounts:create': { roles: ['operator'], inOneProject: false },
  'accounts:update': { roles: ['operator', 'owner'], inOneProject: false },
  'accounts:suspend': { roles: ['operator'], inOneProject: false },
  'accounts:delete': { roles: ['operator'], inOneProject: false },
  'projects:read': { roles: EVERYBODY, inOneProject: true },
  'projects:create': { roles: CHIEFS, inOneProject: false },
  'projects:update': { roles: WORKERS, inOneProject: true },
  'projects:delete': { roles: CHIEFS, inOneProject: false },
  'domains:read': { roles: EVERYBODY, inOneProject: true },
  'domains:write': { roles: WORKERS, inOneProject: true },
  'api-keys:read': { roles: EVERYBODY, inOneProject: true },
  'api-keys:write': { roles: WORKERS, inOneProject: true },
  'secrets:read': { roles: EVERYBODY, inOneProject: true },
  'secrets:write': { roles: WORKERS, inOneProject: true },
  'consumers:read': { roles: EVERYBODY, inOneProject: false },
  'consumers:write': { roles: WORKERS, inOneProject: false },
  'plans:read': { roles: EVERYBODY, inOneProject: true },
  'plans:write': { roles: CHIEFS, inOneProject: false },
  'users:read': { roles: WATCHERS, inOneProject: false },
  'users:write': { roles: CHIEFS, inOneProject: false },
  'teams:read': { roles: EVERYBODY, inOneProject: false },
  'teams:write': { roles: CHIEFS, inOneProject: false },
  'tokens:read': { roles: WATCHERS, inOneProject: false },
  'tokens:write': { roles: CHIEFS, inOneProject: false },
  'audit:read': { roles: WATCHERS, inOneProject: false }
} as const satisfies Record<string, Grant>

/** A row of the table. */
export type Permission = keyof typeof GRANTS

/** The operator, as the token of the environment or the token file makes one. */
export const OPERATOR: Principal = { actor: 'operator', role: 'operator', customerId: null, projectId: null }

/** Whether somebody may do this at all; to what, the account and the project of the principal say. */
export function mayDo ({ role, customerId, projectId }: Principal, permission: Permission): boolean {
  const { roles, inOneProject, ofOperators = [] }: Grant = GRANTS[permission]
  return (roles.includes(role) || (customerId === OPERATORS_ACCOUNT && ofOperators.includes(role))) && (projectId === null || inOneProject)
}

/** Whether somebody may give this role to others: none that can do more. */
export function mayGive ({ role }: Principal, given: Role): boolean {
  if (role === 'operator') return true
  if (role === 'owner') return given !== 'operator'
  return role === 'admin' && given !== 'operator' && given !== 'owner'
}

/** The roles that somebody can not give, nor take away, nor change who has one. */
export function rolesAbove (principal: Principal): Role[] {
  return EVERYBODY.filter((role) => !mayGive(principal, role))
}

/** Throws GatewayError for a role that somebody can not give. */
export function refuseAbove (principal: Principal, role: Role): void {
  if (!mayGive(principal, role)) throw new GatewayError('AUTHORIZATION_ERROR', { message: `The role "${role}" is above "${principal.role}".`, details: { reason: 'role_above_own', role: principal.role } })
}
