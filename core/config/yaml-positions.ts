import { load } from 'js-yaml'
import type { ConfigPath } from '../errors.js'
import { LOAD_OPTIONS } from './parse-yaml.js'

/** Where in a text the values of a config path stand. */
export interface PositionIndex {
  /** The place of a path's value, or of its key; of the nearest thing above it where the text does not have it (defaults, aliases, what is missing). */
  locate (path: ConfigPath, onKey: boolean): { line: number, column: number }
}

/** Kinds of nodes, as js-yaml tells them. */
const SCALAR = 1
const SEQUENCE = 2
const MAPPING = 3

/** The parser's nodes in the order in which it opened them: numbers only, because a large file has millions. */
interface Nodes {
  readonly opened: number[]
  readonly closed: number[]
  readonly kinds: number[]
  /** The first node that is not inside. */
  readonly next: number[]
}

/** One entry of a map or list; node -1 where nothing is written. */
interface Entry { keyAt: number, node: number }

/**
 * Reads the positions of a text that `parseYaml` could parse. The parser tells when it begins and ends a node: the nodes are
 * paired up by looking at the text between them, and only along the paths that are asked for.
 */
export function indexPositions (text: string): PositionIndex {
  const nodes = recordNodes(text)
  const entries = new Map<number, ReadonlyMap<string, Entry> | readonly Entry[]>()
  const lineStarts = findLineStarts(text)

  function startOf (node: number): number {
    return skipBlanks(text, nodes.opened[node] as number)
  }

  function childrenOf (node: number): number[] {
    const children: number[] = []
    for (let child = node + 1; child < (nodes.next[node] as number); child = nodes.next[child] as number) children.push(child)
    return children
  }

  /** The parser first takes any block node for the key of a map: what turns out not to be one is a node around itself. */
  function unwrap (node: number): number {
    for (;;) {
      const child = node + 1
      if (child >= (nodes.next[node] as number) || nodes.kinds[node] === SCALAR || nodes.kinds[child] !== nodes.kinds[node] || startOf(child) !== startOf(node)) return node
      node = child
    }
  }

  function readMap (node: number): ReadonlyMap<string, Entry> {
    const result = new Map<string, Entry>()
    const children = childrenOf(node)
    for (let i = 0; i < children.length; i++) {
      const key = children[i] as number
      const keyAt = startOf(key)
      const colon = skipBlanks(text, Math.max(nodes.closed[key] as number, keyAt))
      const value = text[colon] === ':' ? children[++i] ?? -1 : -1
      result.set(keyText(text.slice(keyAt, nodes.closed[key])), { keyAt, node: value })
    }
    return result
  }

  function readList (node: number): readonly Entry[] {
    const children = childrenOf(node)
    if (text[startOf(node)] !== '-') return readFlowList(children)
    const result: Entry[] = []
    let at = startOf(node)
    for (let next = 0; text[at] === '-';) {
      const dash = at
      at = skipBlanks(text, at + 1)
      const child = children[next]
      if (child !== undefined && (startOf(child) === at)) {
        result.push({ keyAt: at, node: child })
        at = skipBlanks(text, nodes.closed[child] as number)
        next++
      } else result.push({ keyAt: dash, node: -1 })
    }
    return result
  }

  function readFlowList (children: readonly number[]): readonly Entry[] {
    const result: Entry[] = []
    for (let i = 0; i < children.length; i++) {
      const node = children[i] as number
      result.push({ keyAt: startOf(node), node })
      // `[ a: 1 ]` is a list of one small map.
      if (text[skipBlanks(text, nodes.closed[node] as number)] === ':') i++
    }
    return result
  }

  function entryOf (node: number, key: string | number): Entry | undefined {
    let known = entries.get(node)
    if (known === undefined) {
      known = nodes.kinds[node] === MAPPING ? readMap(node) : nodes.kinds[node] === SEQUENCE ? readList(node) : []
      entries.set(node, known)
    }
    if (!(known instanceof Map)) return typeof key === 'number' ? (known as readonly Entry[])[key] : undefined
    // What a merge key brought stands elsewhere.
    return (known as ReadonlyMap<string, Entry>).get(String(key)) ?? (known as ReadonlyMap<string, Entry>).get('<<')
  }

  return {
    locate (path, onKey) {
      let node = nodes.opened.length === 0 ? -1 : unwrap(0)
      let entry: Entry = { keyAt: node === -1 ? 0 : startOf(node), node }
      let found = 0
      for (const key of path) {
        if (node === -1) break
        const next = entryOf(node, key)
        if (next === undefined) break
        entry = next
        node = next.node === -1 ? -1 : unwrap(next.node)
        found++
      }
      const onValue = !onKey && found === path.length && entry.node !== -1 && nodes.kinds[unwrap(entry.node)] === SCALAR
      const offset = onValue ? startOf(entry.node) : entry.keyAt
      const line = lastAtMost(lineStarts, offset)
      return { line: line + 1, column: offset - (lineStarts[line] as number) + 1 }
    }
  }
}

function recordNodes (text: string): Nodes {
  const nodes: Nodes = { opened: [], closed: [], kinds: [], next: [] }
  const stack: number[] = []
  load(text, {
    ...LOAD_OPTIONS,
    listener (event, state) {
      if (event === 'open') {
        stack.push(nodes.opened.length)
        nodes.opened.push(state.position)
        nodes.closed.push(state.position)
        nodes.kinds.push(0)
        nodes.next.push(nodes.opened.length)
        return
      }
      const node = stack.pop() as number
      nodes.closed[node] = state.position
      nodes.kinds[node] = state.kind === 'scalar' ? SCALAR : state.kind === 'sequence' ? SEQUENCE : state.kind === 'mapping' ? MAPPING : 0
      nodes.next[node] = nodes.opened.length
    }
  })
  return nodes
}

/** The first place from `at` on that is neither space nor comment. */
function skipBlanks (text: string, at: number): number {
  for (;;) {
    const char = text[at]
    if (char === ' ' || char === '\t' || char === '\n' || char === '\r') at++
    else if (char === '#' && (at === 0 || /[ \t\r\n]/.test(text[at - 1] as string))) {
      while (at < text.length && text[at] !== '\n' && text[at] !== '\r') at++
    } else return at
  }
}

/** A key as the value has it. */
function keyText (written: string): string {
  // Not `trim`, which takes spaces away that YAML does not know.
  const trimmed = written.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
  if (/^[A-Za-z_][\w./-]*$/.test(trimmed)) return trimmed
  try {
    return String(load(trimmed, LOAD_OPTIONS))
  } catch {
    return trimmed
  }
}

/** Offsets at which lines begin. */
function findLineStarts (text: string): number[] {
  const starts = [0]
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code === 0x0a || (code === 0x0d && text.charCodeAt(i + 1) !== 0x0a)) starts.push(i + 1)
  }
  return starts
}

/** Index of the last number that is not above `value`, in a rising list. */
function lastAtMost (rising: readonly number[], value: number): number {
  let low = 0
  let high = rising.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((rising[middle] as number) <= value) low = middle
    else high = middle - 1
  }
  return low
}
