import { jsonText } from './json-text.js'
import { asciiPiece } from './line-bytes.js'

interface Protocol { scheme: string, version: string, piece: Uint8Array }
interface Place { target: string | null, piece: Uint8Array }

/** What clients send may not fill memory. */
const MOST = 2_048

/** The parts of access log lines that many lines share, as bytes: each is rendered once and then only copied. */
export class RecordPieces {
  readonly #protocols = new Map<string, Protocol>()
  readonly #statuses = new Map<number, Uint8Array>()
  readonly #places = new Map<string | null, Map<string | null, Place>>()
  readonly #texts = new Map<string, Uint8Array>()

  protocol (method: string, scheme: string, version: string): Uint8Array {
    const known = this.#protocols.get(method)
    if (known !== undefined && known.scheme === scheme && known.version === version) return known.piece
    const piece = utf8(`,"method":${jsonText(method)},"scheme":${jsonText(scheme)},"httpVersion":${jsonText(version)}`)
    makeRoom(this.#protocols)
    this.#protocols.set(method, { scheme, version, piece })
    return piece
  }

  status (status: number, complete: boolean): Uint8Array {
    const key = complete ? status : -status
    const known = this.#statuses.get(key)
    if (known !== undefined && (status !== 0 || !complete)) return known
    const piece = asciiPiece(`,"status":${status},"complete":${complete},"durationMs":`)
    if (status !== 0 || !complete) this.#statuses.set(key, piece)
    return piece
  }

  place (project: string | null, route: string | null, target: string | null): Uint8Array {
    let routes = this.#places.get(project)
    if (routes === undefined) {
      makeRoom(this.#places)
      routes = new Map<string | null, Place>()
      this.#places.set(project, routes)
    }
    const known = routes.get(route)
    if (known !== undefined && known.target === target) return known.piece
    const piece = utf8(`,"target":${nullable(target)},"project":${nullable(project)},"route":${nullable(route)}`)
    makeRoom(routes)
    routes.set(route, { target, piece })
    return piece
  }

  /** A text as JSON. */
  text (text: string): Uint8Array {
    const known = this.#texts.get(text)
    if (known !== undefined) return known
    const piece = utf8(jsonText(text))
    makeRoom(this.#texts)
    this.#texts.set(text, piece)
    return piece
  }
}

function makeRoom (map: Map<unknown, unknown>): void {
  if (map.size >= MOST) map.clear()
}

function nullable (text: string | null): string {
  return text === null ? 'null' : jsonText(text)
}

/** Not a Buffer: those share a pool, and a copy from one that is alone is no slower. */
function utf8 (json: string): Uint8Array {
  return Uint8Array.from(Buffer.from(json))
}
