import type { QueryReader } from '../lib/query-reader.js'
import { compareCandidates, pick, type Candidate } from './candidates.js'
import type { RouteQuery } from './predicates.js'
import type { RoutePath } from './route-path.js'

const SLASH = 0x2f

/** A segment trie. Every node stands for one way from the root, so a look-up visits each node at most once. */
export interface TrieNode<T> {
  /** A single literal child is compared in place; more of them are in the Map. Once sorted, a run of single children is one text (`api/v1`). */
  onlyLiteral: string
  onlyChild: TrieNode<T> | null
  children: Map<string, TrieNode<T>> | null
  param: TrieNode<T> | null
  /** Routes that end here. */
  exact: Candidate<T>[] | null
  /** Routes that end here with `/*`. */
  prefix: Candidate<T>[] | null
}

/** An empty trie. */
export function createTrie<T> (): TrieNode<T> {
  return { onlyLiteral: '', onlyChild: null, children: null, param: null, exact: null, prefix: null }
}

/** Adds a route's candidates under its path. Call `finishTrie` after the last. */
export function addToTrie<T> (root: TrieNode<T>, path: RoutePath, candidates: readonly Candidate<T>[]): void {
  let node = root
  for (const literal of path.literals) node = literal === null ? (node.param ??= createTrie()) : literalChild(node, literal)
  // A copy: what is pushed to an empty list makes room for sixteen, and most nodes have one.
  if (path.wildcard) node.prefix = joined(node.prefix, candidates)
  else node.exact = joined(node.exact, candidates)
}

/** Brings the candidates of every node into their order, and joins runs of literals into one text. Nothing can be added any more. */
export function finishTrie<T> (node: TrieNode<T>): void {
  node.exact?.sort(compareCandidates)
  node.prefix?.sort(compareCandidates)
  if (node.param !== null) finishTrie(node.param)
  if (node.children !== null) for (const child of node.children.values()) finishTrie(child)
  const child = node.onlyChild
  if (child === null) return
  finishTrie(child)
  if (child.onlyChild === null || child.param !== null || child.exact !== null || child.prefix !== null) return
  node.onlyLiteral += `/${child.onlyLiteral}`
  node.onlyChild = child.onlyChild
}

/**
 * The candidate that wins: literal before parameter before wildcard, segment by segment; what does not pass lets the next one try.
 * `start` is where the node's segment begins in `path`; beyond the end when there is none left. With `collect` nothing wins and every
 * list of candidates whose path matches is handed to it.
 */
export function findInTrie<T> (
  node: TrieNode<T>, path: string, start: number, request: RouteQuery, method: string, reader: QueryReader,
  collect: ((candidates: readonly Candidate<T>[]) => void) | null
): Candidate<T> | null {
  let found: Candidate<T> | null = null
  if (start <= path.length) {
    if (node.onlyChild !== null) {
      const end = start + node.onlyLiteral.length
      if (path.startsWith(node.onlyLiteral, start) && (end === path.length || path.charCodeAt(end) === SLASH)) {
        found = findInTrie(node.onlyChild, path, end + 1, request, method, reader, collect)
      }
    }
    if (found === null && (node.children !== null || node.param !== null)) {
      let end = path.indexOf('/', start)
      if (end === -1) end = path.length
      const child = node.children?.get(path.slice(start, end))
      if (child !== undefined) found = findInTrie(child, path, end + 1, request, method, reader, collect)
      // A parameter stands for something: `/orders/:id` is not `/orders/`.
      if (found === null && node.param !== null && end > start) found = findInTrie(node.param, path, end + 1, request, method, reader, collect)
    }
  } else if (node.exact !== null) {
    if (collect === null) found = pick(node.exact, request, method, reader)
    else collect(node.exact)
  }
  if (found !== null || node.prefix === null) return found
  if (collect === null) return pick(node.prefix, request, method, reader)
  collect(node.prefix)
  return null
}

function joined<T> (there: Candidate<T>[] | null, more: readonly Candidate<T>[]): Candidate<T>[] {
  if (there === null) return [...more]
  for (const candidate of more) there.push(candidate)
  return there
}

function literalChild<T> (node: TrieNode<T>, literal: string): TrieNode<T> {
  if (node.children === null) {
    if (node.onlyChild === null) {
      node.onlyLiteral = literal
      return (node.onlyChild = createTrie())
    }
    if (node.onlyLiteral === literal) return node.onlyChild
    node.children = new Map([[node.onlyLiteral, node.onlyChild]])
    node.onlyChild = null
  }
  let child = node.children.get(literal)
  if (child === undefined) node.children.set(literal, child = createTrie())
  return child
}
