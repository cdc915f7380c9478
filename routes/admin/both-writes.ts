import type { PlannedWrite } from '../../core/state/store.js'

/** Two planned writes as one, which gives what the second makes. Where the second is refused the first stays made. */
export function bothWrites<T> (first: PlannedWrite<unknown>, second: PlannedWrite<T>): PlannedWrite<T> {
  return {
    writes: first.writes === null || second.writes === null ? null : [...first.writes, ...second.writes],
    made: second.made,
    refusal: (write, why) => (first.writes?.includes(write) === true ? first : second).refusal(write, why),
    async make () {
      await first.make()
      return await second.make()
    }
  }
}
