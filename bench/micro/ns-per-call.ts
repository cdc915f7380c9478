import { QUICK } from './quick.js'

/** A round takes about this long at most: what is slow needs fewer calls to be told apart from noise. */
const ROUND_NS = QUICK ? 50e6 : 200e6

/** Nanoseconds per call of `run`: the best of five rounds (two with `--quick`) of at most `calls`, behind one that only warms up. */
export function nsPerCall (run: (n: number) => void, calls = QUICK ? 20_000 : 200_000): number {
  const warm = Math.min(calls, 20_000)
  let best = time(run, warm)
  const perRound = Math.max(1, Math.min(calls, Math.round(ROUND_NS / best)))
  for (let round = 0; round < (QUICK ? 2 : 5); round++) {
    const ns = time(run, perRound)
    if (round === 0 || ns < best) best = ns
  }
  return best
}

function time (run: (n: number) => void, calls: number): number {
  const start = process.hrtime.bigint()
  for (let n = 0; n < calls; n++) run(n)
  return Number(process.hrtime.bigint() - start) / calls
}
