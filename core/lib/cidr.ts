/**
 * Lists of networks in CIDR notation (RFC 4632, RFC 4291 section 2.3), and whether an address is in one of them.
 *
 * An own matcher, because `net.BlockList` makes an object for each check: bench/micro/core/lib/cidr.ts measures both.
 */

/** What is wrong with one entry of a CIDR list, and what to do about it; both without a full stop. */
export interface CidrProblem {
  message: string
  remedy: string
}

// What `readAddress` leaves behind: IPv4 in word 3, IPv6 in words 0 to 3, most significant first. Everything here is
// synchronous, so that one buffer serves all and a check allocates nothing.
const words = new Uint32Array(4)
const groups = new Uint16Array(8)

const ZERO = 48
const DOT = 46
const COLON = 58
const PERCENT = 37

/** Reads dotted decimal from `from` to `to`; -1 if it is anything else. No octal, no leading zeros, no short forms: `inet_aton` reads those differently from one system to the next. */
function readV4 (text: string, from: number, to: number): number {
  let value = 0
  let octet = 0
  let digits = 0
  let dots = 0
  for (let i = from; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === DOT) {
      if (digits === 0 || ++dots > 3) return -1
      value = value * 256 + octet
      octet = 0
      digits = 0
      continue
    }
    const digit = code - ZERO
    if (digit < 0 || digit > 9 || (digits > 0 && octet === 0)) return -1
    octet = octet * 10 + digit
    digits++
    if (octet > 255) return -1
  }
  return dots === 3 && digits > 0 ? value * 256 + octet : -1
}

function hexDigit (code: number): number {
  if (code >= ZERO && code <= 57) return code - ZERO
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : -1
}

/** Reads an IPv6 address (without zone) into `words`; false if it is anything else. */
function readV6 (text: string, to: number): boolean {
  let count = 0
  let gap = -1
  let i = 0
  if (text.charCodeAt(0) === COLON) {
    if (text.charCodeAt(1) !== COLON) return false
    gap = 0
    i = 2
  }
  while (i < to) {
    if (count === 8) return false
    let value = 0
    const start = i
    for (; i < to; i++) {
      const digit = hexDigit(text.charCodeAt(i))
      if (digit < 0) break
      if (i - start === 4) return false
      value = value * 16 + digit
    }
    if (i < to && text.charCodeAt(i) === DOT) {
      const v4 = count > 6 ? -1 : readV4(text, start, to)
      if (v4 < 0) return false
      groups[count++] = v4 >>> 16
      groups[count++] = v4 & 0xffff
      break
    }
    if (i === start) return false
    groups[count++] = value
    if (i === to) break
    if (text.charCodeAt(i) !== COLON) return false
    i++
    if (i < to && text.charCodeAt(i) === COLON) {
      if (gap >= 0) return false
      gap = count
      i++
    } else if (i === to) return false
  }
  if (gap < 0 ? count !== 8 : count > 7) return false
  if (gap >= 0) {
    const moved = count - gap
    for (let k = 0; k < moved; k++) groups[7 - k] = groups[count - 1 - k] as number
    for (let k = gap; k < 8 - moved; k++) groups[k] = 0
  }
  for (let k = 0; k < 4; k++) words[k] = ((groups[2 * k] as number) << 16) | (groups[2 * k + 1] as number)
  return true
}

/** Reads an address into `words` and says its family, 0 for what is no address. An IPv4-mapped IPv6 address is the IPv4 address that it stands for. */
function readAddress (text: string): 0 | 4 | 6 {
  let to = text.length
  let isV6 = false
  for (let i = 0; i < to; i++) {
    const code = text.charCodeAt(i)
    if (code === COLON) isV6 = true
    else if (code === PERCENT) {
      if (!isV6 || i + 1 === to) return 0
      // A zone (`fe80::1%eth0`) tells which link, not which address.
      to = i
    }
  }
  if (!isV6) {
    const v4 = readV4(text, 0, to)
    if (v4 < 0) return 0
    words[3] = v4
    return 4
  }
  if (!readV6(text, to)) return 0
  return words[0] === 0 && words[1] === 0 && words[2] === 0xffff ? 4 : 6
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
