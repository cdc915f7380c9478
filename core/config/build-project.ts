import { createHash } from 'node:crypto'
import { Type } from 'typebox'
import type { ConfigPath } from '../errors.js'
import { closest } from '../lib/closest.js'
import type { ProjectConfig, RouteConfig, UpstreamConfig } from '../route.js'
import { resolveFile, type BuildContext } from './build-context.js'
import { buildPlugins } from './build-plugins.js'
import { buildRoute, readTuning } from './build-route.js'
import { buildUpstream } from './build-upstream.js'
import { referencedTexts } from './each-reference.js'
import { listOf } from './describe-schema.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { routeName } from './route-name.js'
import { ProjectSchema, RouteSchema, UpstreamSchema, type RawProject, type RawRoute } from './schema.js'
import { NAME_PATTERN } from './schema-fields.js'
import { validateLanguage } from './validate.js'

/** A project that is ready to be compiled. */
export interface BuiltProject {
  readonly config: ProjectConfig
  /** Of all that the project is made of: its text, the files that it names, its authors' plugins. */
  readonly hash: string
  /** Whether it depends on nothing but its raw value, so that the same value gives the same project. */
  readonly selfContained: boolean
}

// Upstreams and routes are validated one by one: one that is wrong does not hide what is wrong with the others.
const Shell = Type.Object({
  ...ProjectSchema.properties,
  upstreams: Type.Optional(Type.Object({}, { title: 'upstreams', examples: [{ orders: { targets: ['http://127.0.0.1:9001'] } }] })),
  routes: Type.Optional(Type.Array(Type.Unknown(), { title: 'a list of routes', examples: [[{ match: { path: '/*' }, upstream: 'orders' }]] }))
}, { additionalProperties: false, title: 'a project' })
const NAME = new RegExp(NAME_PATTERN)

/** Whether a project, upstream or environment may have a name; a finding where not. */
export function checkName (name: string, kind: string, at: ConfigPath, { findings }: Pick<BuildContext, 'findings'>): void {
  if (NAME.test(name)) return
  findings.add({ path: at, onKey: true, message: `"${name}" can not name ${kind}`, remedy: 'use letters, digits, "-", "_" and ".", beginning with a letter or digit, at most 100' })
}

/** Builds a project from its raw value. With findings, what is given back is not to be used. */
export function buildProject (name: string, raw: Raw, context: BuildContext): BuiltProject {
  const at: ConfigPath = ['projects', name]
  const { findings, originals, origin } = context
  checkName(name, 'a project', at, context)
  const wrongKeys = validateLanguage(Shell, raw, { at, originals, findings })
  const map: RawMap = isMap(raw) ? raw : {}
  const shell = without(map, wrongKeys) as RawProject
  const texts: string[] = []
  const upstreams: Record<string, UpstreamConfig> = {}
  for (const [upstream, value] of Object.entries(shell.upstreams ?? {})) {
    const place = [...at, 'upstreams', upstream]
    checkName(upstream, 'an upstream', place, context)
    const wrong = validateLanguage(UpstreamSchema, value, { at: place, originals, findings })
    if (!wrong.has('')) upstreams[upstream] = buildUpstream(upstream, without(value, wrong), place, { texts, wrong }, context)
  }
  const routes: RouteConfig[] = []
  const named: { upstream: string, at: ConfigPath }[] = []
  const rawRoutes = (shell.routes ?? []) as unknown as readonly Raw[]
  for (let index = 0; index < rawRoutes.length; index++) {
    const place = [...at, 'routes', index]
    const value = rawRoutes[index] as Raw
    const wrong = validateLanguage(RouteSchema, value, { at: place, originals, findings })
    if (!isMap(value)) continue
    if (typeof value.upstream === 'string') named.push({ upstream: value.upstream, at: place })
    // What is right of a route that is wrong somewhere else is looked at all the same.
    if (!wrong.has('') && !wrong.has('match')) routes.push(buildRoute(without(value, wrong) as RawRoute, place, context))
    else if (Array.isArray(value.plugins)) buildPlugins(value.plugins, [...place, 'plugins'], context)
  }
  checkUpstreams(named, wrongKeys.has('upstreams') ? null : Object.keys(shell.upstreams ?? {}), context)
  const config: ProjectConfig = {
    name,
    origin,
    hosts: shell.hosts?.map((host) => host.toLowerCase()) ?? [],
    basePath: shell.basePath?.replace(/\/+$/, '') ?? '',
    upstreams,
    plugins: shell.plugins === undefined ? [] : buildPlugins(shell.plugins as Raw[], [...at, 'plugins'], context),
    plans: shell.plans ?? {},
    routes: nameRoutes(routes, context),
    accessLog: readTuning(shell.accessLog),
    ...referencedTexts(map, originals),
    at
  }
  const authored = authoredPartsOf(map, at, context)
  return {
    config,
    hash: createHash('sha256').update(JSON.stringify([origin, name, raw, texts, authored])).digest('base64url'),
    selfContained: texts.length === 0 && authored.length === 0
  }
}

/** A map without the keys that something is wrong with; the same one where nothing is. */
function without<M extends object> (map: M, wrong: ReadonlySet<string | number>): M {
  return wrong.size === 0 ? map : Object.fromEntries(Object.entries(map).filter(([key]) => !wrong.has(key))) as M
}

/** Every `plugins` list of a raw project, whatever else is wrong with it. */
export function pluginListsOf (raw: Raw, at: ConfigPath): { list: readonly Raw[], at: ConfigPath }[] {
  if (!isMap(raw)) return []
  const lists = Array.isArray(raw.plugins) ? [{ list: raw.plugins, at: [...at, 'plugins'] }] : []
  if (!Array.isArray(raw.routes)) return lists
  for (let index = 0; index < raw.routes.length; index++) {
    const route = raw.routes[index] as Raw
    if (isMap(route) && Array.isArray(route.plugins)) lists.push({ list: route.plugins, at: [...at, 'routes', index, 'plugins'] })
  }
  return lists
}

/** What the project depends on beside its own text: the content of authors' plugins (also of those that could not be loaded now), and their names where it removes one. */
function authoredPartsOf (raw: RawMap, at: ConfigPath, context: BuildContext): string[] {
  return pluginListsOf(raw, at).flatMap(({ list, at: place }) => list.flatMap((entry) => {
    if (!isMap(entry)) return []
    if (typeof entry.use === 'string') return [context.authorPlugins.get(resolveFile(entry.use, place, context))?.hash ?? '']
    return Object.keys(entry).filter((name) => entry[name] === false && !context.registry.has(name))
  }))
}

function checkUpstreams (named: readonly { upstream: string, at: ConfigPath }[], known: readonly string[] | null, { findings }: BuildContext): void {
  if (known === null) return
  for (const { upstream, at } of named) {
    if (known.includes(upstream)) continue
    const near = closest(upstream, known)
    const remedy = near !== null ? `did you mean "${near}"?` : known.length === 0 ? 'define it under "upstreams" of the project' : `the upstreams are: ${listOf(known)}`
    findings.add({ path: [...at, 'upstream'], message: `there is no upstream "${upstream}" in this project`, remedy })
  }
}

/** Ids for the routes that have none, made of methods and path; two that were given the same are a finding. */
function nameRoutes (routes: readonly RouteConfig[], { findings }: BuildContext): RouteConfig[] {
  const given = new Map<string, ConfigPath>()
  for (const { id, at } of routes) {
    if (id === '') continue
    const earlier = given.get(id)
    if (earlier === undefined) given.set(id, at)
    else findings.add({ path: [...at, 'id'], related: [{ path: [...earlier, 'id'] }], message: `two routes have the id "${id}"`, remedy: 'rename one, or leave both ids out' })
  }
  const taken = new Set(given.keys())
  return routes.map((route) => {
    if (route.id !== '') return route
    const base = routeName(route.match)
    let id = base
    for (let count = 2; taken.has(id); count++) id = `${base} #${count}`
    taken.add(id)
    return { ...route, id }
  })
}
