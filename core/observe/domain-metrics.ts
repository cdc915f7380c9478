import type { MetricObject } from './metric-object.js'

/** What is counted of the domains of tenants. */
export interface DomainMetrics {
  /** Counts a look-up of a TXT record. */
  lookedUp (outcome: string): void
  /** Counts what a check made of a verified domain. */
  turned (turn: string): void
  collect (): MetricObject[]
}

/** Makes the metrics of the domains of tenants. */
export function createDomainMetrics (): DomainMetrics {
  const lookUps = new Map<string, number>()
  const turns = new Map<string, number>()
  const add = (counts: Map<string, number>, key: string): void => { counts.set(key, (counts.get(key) ?? 0) + 1) }
  const valuesOf = (counts: ReadonlyMap<string, number>, label: string): MetricObject['values'] => [...counts].map(([key, value]) => ({ labels: { [label]: key }, value }))
  return {
    lookedUp (outcome) { add(lookUps, outcome) },
    turned (turn) { add(turns, turn) },
    collect: () => [
      { name: 'sluice_domain_lookups_total', help: 'Look-ups of the TXT records of domains, by outcome.', type: 'counter', aggregator: 'sum', values: valuesOf(lookUps, 'outcome') },
      { name: 'sluice_domain_turns_total', help: 'Verified domains whose look-ups began to fail, did no more, or failed for too long.', type: 'counter', aggregator: 'sum', values: valuesOf(turns, 'turn') }
    ]
  }
}
