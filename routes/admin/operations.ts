import { ACCOUNT_OPERATIONS } from './accounts.js'
import { API_KEY_OPERATIONS } from './api-keys.js'
import { AUDIT_OPERATIONS } from './audit-trail.js'
import { CONFIG_VERSION_OPERATIONS } from './config-versions.js'
import { CONSUMER_OPERATIONS } from './consumers.js'
import { DOMAIN_OPERATIONS } from './domains.js'
import type { Operation } from './operation.js'
import { PLAN_OPERATIONS } from './plans.js'
import { PROJECT_OPERATIONS } from './projects.js'
import { PROJECT_CONFIG_OPERATIONS } from './project-config.js'
import { QUICK_START_OPERATIONS } from './quick-start.js'
import { SECRET_OPERATIONS } from './secrets.js'
import { SYSTEM_OPERATIONS } from './system.js'
import { TEAM_OPERATIONS } from './teams.js'
import { TOKEN_OPERATIONS } from './tokens.js'
import { USER_OPERATIONS } from './users.js'

/** Everything that the admin API does, in the order of its document. */
export const OPERATIONS: readonly Operation[] = [
  ...QUICK_START_OPERATIONS, ...ACCOUNT_OPERATIONS, ...PROJECT_OPERATIONS, ...PROJECT_CONFIG_OPERATIONS, ...CONFIG_VERSION_OPERATIONS, ...DOMAIN_OPERATIONS, ...API_KEY_OPERATIONS, ...SECRET_OPERATIONS, ...CONSUMER_OPERATIONS, ...PLAN_OPERATIONS, ...USER_OPERATIONS, ...TEAM_OPERATIONS, ...TOKEN_OPERATIONS, ...AUDIT_OPERATIONS, ...SYSTEM_OPERATIONS
]
