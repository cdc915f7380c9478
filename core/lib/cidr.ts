/**
 * Lists of networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and whether an address is in one of them.
 *
 * An own matcher, because `net.BlockList` makes an object for each check: bench/micro/core/lib/cidr.ts measures both.
 */

import { readAddress, words } from './ip-address.js'

/** What is wrong with one entry of a CIDR list, and what to do about it; both without a full stop. */
export interface CidrProblem {
  message: string
  remedy: string
}

interface Block {
  family: 4 | 6
  /** First and last address: four words each, IPv4 in the last one. */
  first: number[]
  last: number[]
}

function parseBlock (text: string): Block | CidrProblem {
  const slash = text.indexOf('/')
  const address = slash < 0 ? text : text.slice(0, slash)
  const family = address.includes('%') ? 0 : readAddress(address)
  if (family === 0) {
    return { message: `"${text}" is neither an IP address nor a network in CIDR notation`, remedy: 'write it like 10.0.0.0/8, 192.0.2.7 or 2001:db8::/32' }
  }
  const mapped = family === 4 && address.includes(':')
  const most = family === 4 && !mapped ? 32 : 128
  const lengthText = slash < 0 ? String(most) : text.slice(slash + 1)
  const written = /^(0|[1-9]\d{0,2})$/.test(lengthText) ? Number(lengthText) : most + 1
  if (written > most) {
    return { message: `"${text}" has a prefix length that is not between 0 and ${most}`, remedy: `write ${address}/${most}, or ${address} alone, for the one address` }
  }
  if (mapped && written < 96) {
    return { message: `"${text}" reaches beyond the IPv4-mapped addresses`, remedy: 'write the IPv4 network and the IPv6 network as two entries' }
  }
  const length = mapped ? written - 96 : written
  const first: number[] = []
  const last: number[] = []
  let hasHostBits = false
  for (let k = 0; k < 4; k++) {
    const word = family === 4 && k < 3 ? 0 : words[k] as number
    const bits = family === 4 ? (k < 3 ? 32 : length) : Math.min(32, Math.max(0, length - 32 * k))
    const mask = bits === 0 ? 0 : (0xffffffff << (32 - bits)) >>> 0
    first.push((word & mask) >>> 0)
    last.push((word | ~mask) >>> 0)
    if (first[k] !== word) hasHostBits = true
  }
  if (hasHostBits) {
    return { message: `"${text}" has bits set behind its prefix, so that it says two things`, remedy: `write ${formatBlock(family, first, length)} for the network, or ${address} for the one address` }
  }
  return { family, first, last }
}

function formatBlock (family: 4 | 6, first: readonly number[], length: number): string {
  if (family === 4) {
    const word = first[3] as number
    return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}/${length}`
  }
  const hextets = first.flatMap((word) => [word >>> 16, word & 0xffff]).map((hextet) => hextet.toString(16)).join(':')
  // The URL parser writes the short form of RFC 5952.
  return `${new URL(`http://[${hextets}]`).hostname.slice(1, -1)}/${length}`
}

/** What is wrong with an entry of a CIDR list, or null. */
export function findCidrProblem (text: string): CidrProblem | null {
  const block = parseBlock(text)
  return 'message' in block ? block : null
}

function compareWords (a: readonly number[], b: readonly number[]): number {
  for (let k = 0; k < 4; k++) if (a[k] !== b[k]) return (a[k] as number) - (b[k] as number)
  return 0
}

/** Sorted and without what lies inside another one: two CIDR blocks are nested or apart, so that the rest is disjoint. */
function outermost (blocks: Block[]): Block[] {
  blocks.sort((a, b) => compareWords(a.first, b.first) || compareWords(b.last, a.last))
  const kept: Block[] = []
  for (const block of blocks) {
    const outer = kept.at(-1)
    if (outer === undefined || compareWords(block.first, outer.last) > 0) kept.push(block)
  }
  return kept
}

/**
 * Compiles networks (`10.0.0.0/8`, `2001:db8::/32`) and single addresses into a function that says whether an address is in
 * one of them: O(log n), without allocation. What is no address is in none.
 *
 * IPv4-mapped IPv6 addresses count as the IPv4 addresses that they stand for, on both sides; hence `::/0` is all of IPv6 and
 * none of IPv4. Zones (`%eth0`) of addresses are ignored. Throws TypeError with the remedy for the first wrong entry.
 */
export function compileCidrs (list: readonly string[]): (address: string) => boolean {
  const all: Block[] = []
  for (const text of list) {
    const block = parseBlock(text)
    if ('message' in block) throw new TypeError(`${block.message} (${block.remedy})`)
    all.push(block)
  }
  const v4 = outermost(all.filter((block) => block.family === 4))
  const v6 = outermost(all.filter((block) => block.family === 6))
  const v4First = Uint32Array.from(v4, (block) => block.first[3] as number)
  const v4Last = Uint32Array.from(v4, (block) => block.last[3] as number)
  const v6First = Uint32Array.from(v6.flatMap((block) => block.first))
  const v6Last = Uint32Array.from(v6.flatMap((block) => block.last))

  function holdsV4 (): boolean {
    const value = words[3] as number
    let low = 0
    let high = v4First.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((v4First[middle] as number) <= value) low = middle + 1
      else high = middle
    }
    return low > 0 && value <= (v4Last[low - 1] as number)
  }

  function holdsV6 (): boolean {
    let low = 0
    let high = v6First.length >>> 2
    while (low < high) {
      const middle = (low + high) >>> 1
      if (compareAt(v6First, middle) >= 0) low = middle + 1
      else high = middle
    }
    return low > 0 && compareAt(v6Last, low - 1) <= 0
  }

  return (address) => {
    const family = readAddress(address)
    return family === 4 ? holdsV4() : family === 6 && holdsV6()
  }
}

/** Whether the address in `words` is above (> 0), at (0) or below (< 0) the one at `index` of a table. */
function compareAt (table: Uint32Array, index: number): number {
  for (let k = 0; k < 4; k++) {
    const a = words[k] as number
    const b = table[4 * index + k] as number
    if (a !== b) return a - b
  }
  return 0
}
