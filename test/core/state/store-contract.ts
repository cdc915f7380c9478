import { test, type Test } from 'tap'
import type { OpenStore } from '../../../core/state/store.js'
import { finding } from './contract/finding.js'
import { hostile } from './contract/hostile.js'
import { many } from './contract/many.js'
import { conflicts, records, tenants, uniqueness } from './contract/records.js'
import type { Register } from './contract/register.js'
import { changes, coordination, counts } from './contract/system.js'

/** Makes an empty database for one test, and gives what opens it: each call is a node of its own. The suite closes what it opens. */
export type CreateDatabase = (t: Pick<Test, 'teardown'>) => Promise<() => Promise<OpenStore>>

/** Registers the tests of what every store does, whatever engine is below it; `skip` says why they can not run. */
export function storeContract (name: string, createDatabase: CreateDatabase, skip: string | false = false): void {
  const contract: Register = (title, body) => {
    test(`store (${name}): ${title}`, { skip }, async (t) => {
      const opened: OpenStore[] = []
      const open = await createDatabase(t)
      // Before the database is gone.
      try {
        await body(t, async () => {
          const store = await open()
          opened.push(store)
          return store
        })
      } finally {
        for (const store of opened) await store.close()
      }
    })
  }
  for (const register of [records, conflicts, uniqueness, tenants, many, finding, hostile, changes, counts, coordination]) register(contract)
}
