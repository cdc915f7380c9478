import { visible, type Terminal } from '../terminal.js'

type Fields = Readonly<Record<string, unknown>>

/** What a gateway says of itself, at `/admin/system` or, where it has no store, at `/status`; all of it may be missing. */
export interface ShownGateway {
  readonly version?: string
  readonly node?: string
  readonly ready?: boolean
  readonly uptimeSeconds?: number
  readonly config?: { readonly file?: string, readonly environment?: string | null, readonly lastReload?: { readonly ok?: boolean, readonly at?: string, readonly findings?: readonly { readonly text?: string }[] } | null }
  readonly listeners?: readonly { readonly name: string, readonly url: string }[]
  readonly workers?: readonly { readonly pid: number, readonly ready: boolean, readonly requests: number, readonly projects: number, readonly routes: number, readonly rssBytes: number }[]
  readonly store?: Fields & { readonly format?: { readonly version: number, readonly known: number, readonly pending: readonly unknown[] } | null }
  readonly directory?: { readonly state: string, readonly ageMs: number | null, readonly changesBehind: number | null, readonly holds: Fields } | null
  readonly keyRing?: Readonly<Record<'encryption' | 'peppers', { readonly active: string, readonly keys: readonly unknown[] }>>
  readonly records?: Readonly<Record<string, number | 'more'>> | null
}

/** Lines that tell how a gateway is, for people. */
export function statusLines (gateway: ShownGateway, { green, red, dim }: Terminal['colors']): string[] {
  const { version, node, ready, uptimeSeconds = 0, config, listeners = [], workers = [], store, directory, keyRing, records } = gateway
  const lines: [string, string][] = [['gateway', `${ready === true ? green('ready') : red('not ready')}, up ${durationOf(uptimeSeconds)}, version ${version ?? '?'} on Node ${node ?? '?'}`]]
  if (config !== undefined) {
    const { file = '?', environment, lastReload } = config
    const reload = lastReload === null || lastReload === undefined ? '' : lastReload.ok === true ? `, reloaded ${lastReload.at ?? ''}` : `, ${red('the last reload was refused')} ${lastReload.at ?? ''}`
    lines.push(['config', `${file}${environment === null || environment === undefined ? '' : ` with ${environment}`}${reload}`])
    for (const { text = '' } of (lastReload?.ok === false ? lastReload.findings ?? [] : []).slice(0, 10)) lines.push(['', text])
  }
  for (const { name, url } of listeners) lines.push(['listens', `${url} (${name})`])
  for (const { pid, ready: serves, requests, projects, routes, rssBytes } of workers) {
    lines.push(['worker', `${pid}: ${serves ? 'ready' : red('not ready')}, ${requests} requests under way, ${projects} projects with ${routes} routes, ${Math.round(rssBytes / 1_048_576)} MB`])
  }
  if (store === undefined) lines.push(['store', 'none'])
  else {
    const { format } = store
    const health = store.ok === true ? green('answers') : red(`does not answer${typeof store.failingSince === 'string' ? ` since ${store.failingSince}` : ''}`)
    const due = format === null || format === undefined ? '' : `, format ${format.version} of ${format.known}${format.pending.length === 0 ? '' : red(`, ${format.pending.length} migrations due`)}`
    lines.push(['store', `${String(store.engine)} ${health}${typeof store.latencyMs === 'number' ? ` in ${store.latencyMs} ms` : ''}${due}`])
  }
  if (directory !== undefined && directory !== null) {
    const { state, ageMs, changesBehind, holds } = directory
    lines.push(['directory', `${state === 'fresh' ? green(state) : red(state)}, ${ageMs === null ? 'never read' : `${ageMs} ms old`}, ${changesBehind === null ? 'unknown' : changesBehind} changes behind; holds ${countsOf(holds)}`])
  }
  if (keyRing !== undefined) lines.push(['key ring', `encrypts with ${keyRing.encryption.active} (of ${keyRing.encryption.keys.length}), peppers with ${keyRing.peppers.active} (of ${keyRing.peppers.keys.length})`])
  if (records !== undefined && records !== null) lines.push(['records', countsOf(records)])
  return lines.map(([name, text]) => `${dim(name.padEnd(9))}  ${shown(text)}`)
}

/** Colours stand, other control characters do not. */
function shown (text: string): string {
  return text.split(/(\x1b\[\d+m)/).map((piece, index) => index % 2 === 1 ? piece : visible(piece)).join('')
}

function countsOf (counts: Fields): string {
  const some = Object.entries(counts).filter(([, count]) => count !== 0)
  return some.length === 0 ? 'nothing' : some.map(([name, count]) => `${count === 'more' ? 'many' : String(count)} ${name.replaceAll('_', ' ')}`).join(', ')
}

function durationOf (seconds: number): string {
  const [days, hours, minutes] = [Math.floor(seconds / 86_400), Math.floor(seconds / 3_600) % 24, Math.floor(seconds / 60) % 60]
  return days > 0 ? `${days} d ${hours} h` : hours > 0 ? `${hours} h ${minutes} min` : minutes > 0 ? `${minutes} min` : `${seconds} s`
}
