/**
 * Whether a request of this id is in a sample of that share (0 to 1). Decided by the id alone: every node and every log that
 * samples by it keeps the same requests.
 */
export function sampled (requestId: string, sample: number): boolean {
  if (sample >= 1) return true
  if (!(sample > 0)) return false
  // FNV-1a, then murmur3's finaliser: ids that differ at their end only (counters, UUIDv7) still spread over the whole range.
  let hash = 0x811c9dc5
  for (let i = 0; i < requestId.length; i++) hash = Math.imul(hash ^ requestId.charCodeAt(i), 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return ((hash ^ (hash >>> 16)) >>> 0) / 0x100000000 < sample
}
