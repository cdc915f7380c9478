import { QUICK } from './quick.js'

/** Nanoseconds per call of `run`: the best of five rounds (two with `--quick`), behind a round that only warms up. */
export function nsPerCall (run: (n: number) => void, calls = QUICK ? 20_000 : 200_000): number {
  let best = Infinity
  for (let round = 0; round < (QUICK ? 3 : 6); round++) {
    const start = process.hrtime.bigint()
    for (let n = 0; n < calls; n++) run(n)
    const ns = Number(process.hrtime.bigint() - start) / calls
    if (round > 0) best = Math.min(best, ns)
  }
  return best
}
