import { medianOfRatios } from '../lib/stats.js'
import { figuresOf, makeProjects, noWrites, saturate, startGateway, writeFor, type AdminBench, type Spread, type WriteFigures } from './gateway.js'

/** What writes cost where everything shares a core. */
export type OneCore = Readonly<Record<Spread, { readonly alone: readonly number[], readonly beside: readonly number[], readonly rateRatio: number, readonly writes: WriteFigures }>>

/** Saturating traffic with the whole gateway on one core, alone and beside writes, in turn; also how long a project that was made takes to be served. */
export async function measureOneCore (bench: AdminBench): Promise<{ readonly saturated: OneCore, readonly servedMs: readonly number[] }> {
  const { rounds, writes, gatewayCore, say } = bench
  const gateway = await startGateway(bench, 'one-core', gatewayCore)
  const servedMs = await makeProjects(bench, gateway)
  await saturate(bench, gateway)
  const fresh = (): { alone: number[], beside: number[], into: ReturnType<typeof noWrites> } => ({ alone: [], beside: [], into: noWrites() })
  const found = { 'one record': fresh(), '20 records': fresh() }
  for (let round = 0; round < rounds; round++) {
    for (const spread of ['one record', '20 records'] as const) {
      const { alone, beside, into } = found[spread]
      for (const withWrites of round % 2 === 0 ? [false, true] : [true, false]) {
        const [{ perSecond }] = await Promise.all([saturate(bench, gateway), ...withWrites ? [writeFor(bench, gateway, spread, into)] : []])
        ;(withWrites ? beside : alone).push(perSecond)
      }
      say(`round ${round + 1}/${rounds}, one core, ${spread}: ${alone.at(-1)?.toFixed(0)} req/s alone, ${beside.at(-1)?.toFixed(0)} beside ${writes} writes per second`)
    }
  }
  await gateway.child.stop()
  const resultOf = ({ alone, beside, into }: ReturnType<typeof fresh>): OneCore[Spread] => ({ alone, beside, rateRatio: medianOfRatios(beside, alone), writes: figuresOf(into) })
  return { saturated: { 'one record': resultOf(found['one record']), '20 records': resultOf(found['20 records']) }, servedMs }
}
