import { threadTimes } from '../lib/proc.js'
import { median } from '../lib/stats.js'
import { figuresOf, makeProjects, noWrites, startGateway, workersOf, writeFor, type AdminBench, type WriteFigures } from './gateway.js'

/** What writes cost workers, each as a share of one core: what a saturated worker's traffic loses by them where the primary has a core to run on. */
export interface WorkersCost { readonly shares: readonly number[], readonly medianShare: number, readonly writes: WriteFigures }

/** What writes cost each of two workers, while the admin API and the store are at work in the primary: the processor time of a worker with writes, less that without. */
export async function measureWorkers (bench: AdminBench): Promise<WorkersCost> {
  const { rounds, seconds, writes, say } = bench
  const gateway = await startGateway(bench, 'workers', null, 2)
  await makeProjects(bench, gateway)
  await writeFor(bench, gateway, '20 records', noWrites())
  const pids = await workersOf(gateway)
  const times = (): number[] => pids.map((pid) => threadTimes(pid)?.allMicros ?? NaN)
  const during = async (work: () => Promise<unknown>): Promise<number[]> => {
    const [before, startedAt] = [times(), performance.now()]
    await work()
    const micros = (performance.now() - startedAt) * 1_000
    return times().map((time, i) => (time - (before[i] as number)) / micros)
  }
  const into = noWrites()
  const shares: number[] = []
  for (let round = 0; round < rounds; round++) {
    const idle = await during(async () => { await new Promise((resolve) => { setTimeout(resolve, seconds * 1_000) }) })
    const busy = await during(() => writeFor(bench, gateway, '20 records', into))
    shares.push(...busy.map((share, i) => share - (idle[i] as number)))
    say(`round ${round + 1}/${rounds}, two workers: ${writes} writes per second in the primary take ${shares.slice(-busy.length).map((share) => `${(share * 100).toFixed(1)} %`).join(' and ')} of a worker's core`)
  }
  await gateway.child.stop()
  return { shares, medianShare: median(shares), writes: figuresOf(into) }
}
