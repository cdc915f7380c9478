import type { CollectionName, Records } from './records.js'

type Rules = { readonly [C in CollectionName]?: (record: Records[C]) => readonly [field: string, value: string][] }

/** What may be there once only, by collection: the field that a caller is told about, and the value that is compared. */
const RULES: Rules = {
  // One project at a time is served under a name; claims of others stand beside it.
  domains: ({ name, status }) => status === 'verified' ? [['name', name]] : [],
  users: ({ customer_id: account, email }) => [['email', `${account}:${email.toLowerCase()}`]],
  teams: ({ customer_id: account, name }) => [['name', `${account}:${name}`]],
  plans: ({ customer_id: account, name }) => [['name', `${account}:${name}`]],
  memberships: ({ user_id: user, team_id: team, scope, scope_id: id }) => [['scope_id', `${user}:${team ?? ''}:${scope}:${id}`]],
  subscriptions: ({ status, consumer_id: consumer, project_id: project }) => status === 'active' ? [['consumer_id', `${consumer}:${project}`]] : [],
  secrets: ({ customer_id: account, project_id: project, name }) => [['name', `${account}:${project ?? ''}:${name}`]],
  config_versions: ({ project_id: project, version }) => [['version', `${project}:${version}`]]
}

/** The entries of a record that no other record of its collection may have: `field=value`. */
export function uniqueEntries<C extends CollectionName> (collection: C, record: Records[C]): string[] {
  const rule = RULES[collection] as ((record: Records[C]) => readonly [string, string][]) | undefined
  return rule === undefined ? [] : rule(record).map(([field, value]) => `${field}=${value}`)
}

/** The field of an entry that `uniqueEntries` made, or of an id. */
export function fieldOfEntry (entry: string): string {
  const equals = entry.indexOf('=')
  return equals === -1 ? entry : entry.slice(0, equals)
}
