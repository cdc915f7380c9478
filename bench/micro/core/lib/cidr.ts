/** Nanoseconds per look-up of one address: `compileCidrs` against `net.BlockList`. Run: node dist/bench/micro/core/lib/cidr.js */
import { BlockList } from 'node:net'
import { compileCidrs } from '../../../../core/lib/cidr.js'
import { QUICK } from '../../quick.js'

const ITERATIONS = QUICK ? 20_000 : 200_000
const V4 = Array.from({ length: 256 }, (_, n) => `${(n * 7919) % 223 + 1}.${(n * 31) % 256}.0.9`)
const V6 = Array.from({ length: 256 }, (_, n) => `2001:db8:${(n * 7919 % 65536).toString(16)}::9`)

/** The best of five rounds, in nanoseconds per call. */
function measure (check: (address: string) => boolean, addresses: readonly string[]): { ns: number, hits: number } {
  let best = Infinity
  let hits = 0
  for (let round = 0; round < 5; round++) {
    hits = 0
    const start = process.hrtime.bigint()
    for (let n = 0; n < ITERATIONS; n++) if (check(addresses[n & 255] as string)) hits++
    best = Math.min(best, Number(process.hrtime.bigint() - start) / ITERATIONS)
  }
  return { ns: best, hits }
}

console.log('networks  family  compileCidrs  net.BlockList  (ns per address, best of 5 rounds)')
for (const size of [1, 10, 1000]) {
  for (const [family, addresses, entry] of [
    ['ipv4', V4, (n: number) => [`${n % 223 + 1}.${(n * 13) % 256}.0.0`, 16]],
    ['ipv6', V6, (n: number) => [`2001:db8:${(n * 13 % 65536).toString(16)}::`, 48]]
  ] as const) {
    const networks = Array.from({ length: size }, (_, n) => entry(n) as [string, number])
    const list = new BlockList()
    for (const [address, length] of networks) list.addSubnet(address, length, family)
    const own = measure(compileCidrs(networks.map((network) => network.join('/'))), addresses)
    const node = measure((address) => list.check(address, family), addresses)
    if (own.hits !== node.hits) throw new Error(`compileCidrs found ${own.hits}, net.BlockList ${node.hits}`)
    console.log(`${String(size).padStart(8)}  ${family}  ${own.ns.toFixed(0).padStart(12)}  ${node.ns.toFixed(0).padStart(13)}`)
  }
}
