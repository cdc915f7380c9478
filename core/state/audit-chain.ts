import { entryBehind, NO_ENTRIES, type ChainHead } from './audit-entry.js'
import type { DocumentEngine, Refusal, Write } from './document-engine.js'
import { plainRecord } from './record-values.js'
import type { AuditRecord } from './records.js'
import type { AuditTrail, NewAuditRecord, WritesAlone } from './store.js'
import { StoreUnavailableError } from './store-errors.js'
import { writeInTurn } from './write-in-turn.js'

const COLLECTION = 'audit_records'
// Each lost race means that somebody else's entry was kept: this many in a row are no race any more.
const MOST_RACES = 200
// What waits while the disk keeps what came before is kept together; the last of many should not wait for all of them twice.
const MOST_TOGETHER = 16

/** What is to be added: an entry, or one before and one behind a change. */
interface Job {
  readonly customerId: string
  readonly first: NewAuditRecord
  readonly change: WritesAlone | null
  readonly last: NewAuditRecord | null
  /** `refused` null = all of it is there. */
  readonly resolve: (first: AuditRecord, refused: Error | null) => void
  readonly reject: (error: unknown) => void
}

/** A write with whose it is, and the head of the chain once it is made; null = it is none of the chain's. */
interface Step { readonly write: Write, readonly job: Job, readonly first: AuditRecord, readonly head: ChainHead | null, readonly ends: boolean }

/**
 * Writes the chain of an engine, one job after the other within the process; between processes the ids of entries decide. What waits meanwhile is written
 * with one commit, where the engine has that.
 */
export function createAuditChain (engine: DocumentEngine, now: () => number): Pick<AuditTrail, 'append' | 'appendAround'> {
  const jobs: Job[] = []
  let head: ChainHead | null = null
  let running = false
  const together = engine.writeAll === undefined ? 1 : MOST_TOGETHER
  const writeAll = async (writes: readonly Write[]): Promise<(Refusal | null)[]> => await (engine.writeAll?.(writes) ?? writeInTurn(engine, writes))

  const readHead = async (): Promise<ChainHead> => {
    const [last] = await engine.find(COLLECTION, { customerId: null, filter: {}, sort: [{ field: 'seq', descending: true }], limit: 1, offset: 0 })
    const record = last?.record as AuditRecord | undefined
    return record === undefined ? NO_ENTRIES : { seq: record.seq, hash: record.hash }
  }

  const stepsOf = (all: readonly Job[], from: ChainHead): Step[] => {
    const at = new Date(now()).toISOString()
    let behind = from
    const entryStep = (job: Job, entry: NewAuditRecord, first: AuditRecord | null, ends: boolean): Step => {
      const record = entryBehind(behind, job.customerId, entry, at)
      behind = { seq: record.seq, hash: record.hash }
      const write: Write = { kind: 'insert', collection: COLLECTION, document: { id: record.audit_id, customerId: job.customerId, rev: 1, unique: [], record: { ...record } } }
      return { write, job, first: first ?? record, head: behind, ends }
    }
    return all.flatMap((job) => {
      const { change, last } = job
      const begin = entryStep(job, job.first, null, change === null)
      if (change === null || last === null) return [begin]
      return [begin, ...change.writes.map((write): Step => ({ write, job, first: begin.first, head: null, ends: false })), entryStep(job, last, begin.first, true)]
    })
  }

  /** Does what is to be done up to what somebody else was faster with. Gives the jobs that are left. */
  const tryAll = async (all: readonly Job[]): Promise<readonly Job[]> => {
    const steps = stepsOf(all, head ?? await readHead())
    // Whether it was kept is not known when the engine does not answer: read the head anew.
    head = null
    const outcomes = await writeAll(steps.map(({ write }) => write))
    let reached: ChainHead | null = null
    for (const [index, outcome] of outcomes.entries()) {
      const step = steps[index] as Step
      if (outcome === null) {
        reached = step.head ?? reached
        if (step.ends) step.job.resolve(step.first, null)
        continue
      }
      const left = all.slice(all.indexOf(step.job))
      // The number of the entry is taken: the head is another.
      if (step.head !== null && step.first.seq === step.head.seq) return left
      if (step.head === null) {
        head = reached
        step.job.resolve(step.first, step.job.change?.refusal(step.write, outcome) ?? null)
      } else step.job.reject(new StoreUnavailableError('the outcome of a change could not be kept behind it'))
      return left.slice(1)
    }
    head = reached
    return []
  }

  const perform = async (all: readonly Job[]): Promise<void> => {
    let left = all
    try {
      for (let races = 0; left.length > 0; races++) {
        if (races === MOST_RACES) throw new StoreUnavailableError('the audit trail is written to by too many at once')
        left = await tryAll(left)
      }
    } catch (error) {
      // Nothing was made of what the engine can not take: what it was together with it is made without it.
      if (left.length > 1 && !(error instanceof StoreUnavailableError)) for (const job of left) await perform([job])
      else for (const job of left) job.reject(error)
    }
  }

  const run = async (): Promise<void> => {
    running = true
    while (jobs.length > 0) await perform(jobs.splice(0, together))
    running = false
  }
  const add = (job: Job): void => {
    jobs.push(job)
    if (!running) void run()
  }

  const appendAround = async (customerId: string, intent: NewAuditRecord, change: WritesAlone, outcome: NewAuditRecord): Promise<Error | null> => {
    const [first, last] = [plainRecord(COLLECTION, intent), plainRecord(COLLECTION, outcome)]
    return await new Promise((resolve, reject) => { add({ customerId, first, change, last, resolve: (_first, refused) => { resolve(refused) }, reject }) })
  }
  return {
    async append (customerId, given) {
      const first = plainRecord(COLLECTION, given)
      return await new Promise((resolve, reject) => { add({ customerId, first, change: null, last: null, resolve, reject }) })
    },
    ...(engine.writeAll === undefined ? {} : { appendAround })
  }
}
