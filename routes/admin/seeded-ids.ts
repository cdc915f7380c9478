import { createHash } from 'node:crypto'

/** Random characters for ids that another attempt of the same request gets again: what it makes anew is then the same record. */
export interface SeededIds {
  /** Characters of `0-9 a-z` for one part of a request, the same in the same order. */
  of (part: string): (length: number) => string
  /** Whether an id was made of what was given here. */
  made (id: string): boolean
}

const LETTERS = '0123456789abcdefghijklmnopqrstuvwxyz'
// The greatest multiple of 36 that a byte holds: bytes from there on would favour some letters.
const FAIR = 252

/** Makes ids of a seed, which nobody else may know: who does could make the next ones. */
export function createSeededIds (seed: string): SeededIds {
  const given = new Set<string>()
  return {
    of (part) {
      let turn = 0
      return (length) => {
        let text = ''
        while (text.length < length) {
          for (const byte of createHash('sha512').update(JSON.stringify([seed, part, turn++])).digest()) {
            if (byte < FAIR && text.length < length) text += LETTERS[byte % LETTERS.length]
          }
        }
        given.add(text)
        return text
      }
    },
    made: (id) => [...given].some((text) => id.endsWith(text))
  }
}
