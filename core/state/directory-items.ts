import type { DirectoryCollection, DirectorySources, DirectoryTables } from './directory-tables.js'

/** One record as tables take it, with its collection. */
export type DirectoryItem = { readonly [C in DirectoryCollection]: readonly [collection: C, record: DirectorySources[C]] }[DirectoryCollection]

/** Everything that tables hold, in the order in which they are best filled with it. What changes meanwhile comes as it was or as it is. */
export function * directoryItems (tables: DirectoryTables): IterableIterator<DirectoryItem> {
  for (const { id, known, active } of tables.accounts.values()) {
    if (known) yield ['accounts', { customer_id: id, status: active ? 'active' : 'suspended' }]
  }
  for (const { record } of tables.projects.values()) if (record !== null) yield ['projects', record]
  for (const record of tables.domains.values()) yield ['domains', record]
  for (const record of tables.secrets.values()) yield ['secrets', record]
  for (const { id, known, account, name, limits } of tables.plans.values()) if (known) yield ['plans', { plan_id: id, customer_id: account, name, limits }]
  for (const { id, known, account, name, active } of tables.consumers.values()) {
    if (known && account !== null) yield ['consumers', { consumer_id: id, customer_id: account.id, name, status: active ? 'active' : 'inactive' }]
  }
  for (const { id, account, consumer, project, plan } of tables.subscriptions.values()) {
    yield ['subscriptions', { subscription_id: id, customer_id: account, consumer_id: consumer.id, project_id: project.id, plan_id: plan.id, status: 'active' }]
  }
  for (const row of tables.credentials.rows()) {
    yield ['credentials', {
      credential_id: row.id,
      customer_id: row.account.id,
      project_id: row.project.id,
      consumer_id: row.consumer.id,
      prefix_hash: row.prefixHash,
      digest: Buffer.from(row.digest).toString('base64url'),
      pepper_id: row.pepper,
      status: row.revoked ? 'revoked' : 'active',
      plan_id: row.plan?.id ?? null,
      limits: row.limits,
      allowed_networks: row.networks,
      require_signature: row.requireSignature,
      expires_at: row.expiresAt === Infinity ? null : new Date(row.expiresAt).toISOString()
    }]
  }
}
