import type { DocumentEngine } from './document-engine.js'
import type { MongoConnection } from './mongodb-connection.js'
import { duplicatesOf } from './mongodb-errors.js'
import type { TenantUsageDay } from './store.js'

const DAYS_REMOVED_AT_ONCE = 1_000

/** The counts of use in MongoDB: a document for each key and day. */
export function mongoUsage ({ collections: { usage: days }, bounded, maxTimeMS, reportsFrom }: MongoConnection): Pick<DocumentEngine, 'addUsage' | 'usageDays' | 'lastUses' | 'removeUsage'> {
  const add = async (counts: readonly TenantUsageDay[], inTime: () => void): Promise<void> => {
    try {
      await days.bulkWrite(counts.map(({ customer_id, project_id, credential_id, day, requests, errors, last_used_at }) => ({
        updateOne: {
          filter: { _id: JSON.stringify([customer_id, project_id, credential_id, day]) },
          update: { $inc: { requests, errors }, $setOnInsert: { customer_id, project_id, credential_id, day }, ...last_used_at === undefined ? {} : { $max: { last_used_at } } },
          upsert: true
        }
      })), { ordered: false })
    } catch (error) {
      // Two nodes began the same day at once: the slower one adds to it now.
      const again = duplicatesOf(error)
      if (again === null) throw error
      inTime()
      await add(counts.filter((_, index) => again.includes(index)), inTime)
    }
  }
  return {
    addUsage: (counts) => counts.length === 0 ? Promise.resolve() : bounded((inTime) => add(counts, inTime)),
    usageDays: (customerId, { credentialId, projectId }, fromDay, toDay) => bounded(async () => {
      const found = await days.find({
        customer_id: { $eq: customerId },
        day: { $gte: fromDay, $lte: toDay },
        ...(credentialId === undefined ? {} : { credential_id: { $eq: credentialId } }),
        ...(projectId === undefined ? {} : { project_id: { $eq: projectId } })
      }, { sort: { day: 1, project_id: 1, credential_id: 1 }, maxTimeMS, readPreference: reportsFrom }).toArray()
      return found.map(({ project_id, credential_id, day, requests, errors, last_used_at }) => ({ project_id, credential_id, day, requests, errors, ...last_used_at === undefined ? {} : { last_used_at } }))
    }),
    lastUses: (customerId, credentialIds) => bounded(async () => {
      if (credentialIds.length === 0) return []
      const found = await days.aggregate<{ _id: string, used: string | null }>([
        { $match: { customer_id: { $eq: customerId }, credential_id: { $in: [...credentialIds] } } }, { $group: { _id: '$credential_id', used: { $max: '$last_used_at' } } }
      ], { maxTimeMS, readPreference: reportsFrom }).toArray()
      return found.flatMap(({ _id: id, used }): [string, string][] => used === null ? [] : [[id, used]])
    }),
    async removeUsage (customerId) {
      for (;;) {
        const removed = await bounded(async () => {
          const some = await days.find({ customer_id: { $eq: customerId } }, { limit: DAYS_REMOVED_AT_ONCE, projection: { _id: 1 }, maxTimeMS }).toArray()
          if (some.length > 0) await days.deleteMany({ _id: { $in: some.map(({ _id }) => _id) } })
          return some.length
        })
        if (removed < DAYS_REMOVED_AT_ONCE) return
      }
    }
  }
}
