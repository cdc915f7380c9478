/** The config thread's side of the loader. */
import type { MessagePort } from 'node:worker_threads'
import type { Finding } from '../errors.js'
import type { FileProject } from './file-project.js'
import { packHashes, packNames, unpackNames, type FromConfigThread, type LoadOutcome, type LoadRequest, type ProjectPart, type ToConfigThread } from './loader-protocol.js'
import { packRoute } from './packed-route.js'

/** So many routes make a message; a project without routes counts as some too. Where nothing is served yet, no request has to wait for a large one. */
const ROUTES_PER_BATCH = 100
const ROUTES_PER_FIRST_BATCH = 1_000
const ROUTES_PER_PROJECT = 3
/** More findings than anybody reads are counted, not listed. */
const MOST_FINDINGS = 1_000

const UNUSABLE: FileProject = { config: null, gateway: null, stages: {}, findings: [{ path: [], message: "the gateway's own files can not be used as they are now, and nothing can be tried with them", remedy: 'mend them: `sluice check` tells what is wrong' }] }

/**
 * Answers loads that come through `port`, one at a time. A batch of projects is sent only when the other side asks for it: it sets the pace, because
 * it has to serve requests in between. `load` is called once per request and may keep a cache.
 */
export function serveConfigLoads (port: MessagePort, load: (request: LoadRequest) => Promise<LoadOutcome>): void {
  const send = (message: FromConfigThread): void => { port.postMessage(message) }
  /** The last one that could be used, which is what is being served; until then, the last one. */
  let latest: LoadOutcome | null = null
  let delivery: { id: number, batches: Iterator<readonly ProjectPart[], undefined>, upcoming: readonly ProjectPart[] | undefined } | null = null
  let newest = -1

  const answer = async (message: ToConfigThread): Promise<void> => {
    if (message.type === 'load') {
      delivery = null
      if (message.id !== newest) throw new Error('a later load has come')
      const { id } = message
      const outcome = await load(message.request)
      const { root, rootHash, findings } = outcome
      if (findings.length === 0 || latest === null) latest = outcome
      const files = packNames(outcome.files)
      if (findings.length > 0) {
        send({ type: 'refused', id, findings: shorten(findings), files })
        return
      }
      const hashes = packHashes(mapHashes(outcome.projects))
      const batches = batchesOf(changedProjects(outcome.projects, message.known), message.known.length === 0 ? ROUTES_PER_FIRST_BATCH : ROUTES_PER_BATCH)
      delivery = { id, batches, upcoming: batches.next().value }
      send({ type: 'loaded', id, root, rootHash, files, hashes, authorPlugins: [...outcome.authorPlugins.values()] })
    } else if (message.type === 'locate') {
      const outcome = latest ??= await load(message.request)
      send({ type: 'located', id: message.id, positions: message.paths.map((path) => outcome.locate(path)) })
    } else if (message.type === 'describe') {
      const { source, findings } = latest ??= await load(message.request)
      send({ type: 'described', id: message.id, text: findings.length > 0 ? null : JSON.stringify(source) })
    } else if (message.type === 'try') {
      const outcome = latest ??= await load(message.request)
      send({ type: 'tried', id: message.id, text: JSON.stringify(outcome.findings.length > 0 ? UNUSABLE : outcome.tryProject(message.name, message.text)) })
    } else if (message.type === 'cancel') {
      if (delivery?.id === message.id) delivery = null
    } else {
      if (delivery?.id !== message.id) throw new Error('there is nothing more of this load')
      const parts = delivery.upcoming ?? []
      const { value: upcoming } = delivery.batches.next()
      send({ type: 'projects', id: message.id, parts, last: upcoming === undefined })
      if (upcoming === undefined) delivery = null
      else delivery.upcoming = upcoming
    }
  }

  let turn = Promise.resolve()
  port.on('message', (message: ToConfigThread) => {
    if (message.type === 'load') newest = message.id
    turn = turn.then(async () => { await answer(message) }).catch((error: unknown) => {
      send({ type: 'failed', id: message.id, message: error instanceof Error ? error.stack ?? error.message : String(error) })
    })
  })
}

function shorten (findings: readonly Finding[]): readonly Finding[] {
  if (findings.length <= MOST_FINDINGS) return findings
  return [...findings.slice(0, MOST_FINDINGS), { path: [], message: `there are ${findings.length - MOST_FINDINGS} findings more`, remedy: 'mend these first' }]
}

type Projects = LoadOutcome['projects']

function * mapHashes (projects: Projects): IterableIterator<readonly [string, string]> {
  for (const [name, { hash }] of projects) yield [name, hash]
}

function changedProjects (projects: Projects, known: readonly string[]): Projects {
  const hashes = new Map<string, string>()
  for (const text of known) {
    const names = unpackNames(text)
    for (let i = 0; i < names.length; i += 2) hashes.set(names[i] as string, names[i + 1] as string)
  }
  return new Map([...projects].filter(([name, { hash }]) => hashes.get(name) !== hash))
}

/** Cuts projects into messages of about the same size; a project larger than one goes in several. */
function * batchesOf (projects: Projects, routesPerBatch: number): Generator<readonly ProjectPart[], undefined> {
  let parts: ProjectPart[] = []
  let room = routesPerBatch
  for (const [name, { hash, config: whole }] of projects) {
    const { routes, ...config } = whole
    for (let from = 0, first = true; first || from < routes.length; first = false) {
      const stretch = routes.slice(from, from + Math.max(1, room))
      from += stretch.length
      parts.push({ name, hash, config: first ? JSON.stringify(config) : null, routes: JSON.stringify(stretch.map((route) => packRoute(route, whole.at))), last: from >= routes.length })
      room -= stretch.length + (first ? ROUTES_PER_PROJECT : 0)
      if (room > 0) continue
      yield parts
      parts = []
      room = routesPerBatch
    }
  }
  if (parts.length > 0) yield parts
  return undefined
}
