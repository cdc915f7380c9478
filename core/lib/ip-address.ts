/**
 * What `readAddress` leaves behind: IPv4 in word 3, IPv6 in words 0 to 3, most significant first. Reading is synchronous, so that one
 * buffer serves all and nothing is allocated: use it before the next call.
 */
export const words = new Uint32Array(4)
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
export function readAddress (text: string): 0 | 4 | 6 {
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
