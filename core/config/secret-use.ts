import { secretNames } from '../lib/secret-references.js'
import type { ConfigPath } from '../errors.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import { routeName } from './route-name.js'

/**
 * Where a project's configuration names a secret, as JSON pointers, and the ids of the routes that it is for: all of them where the project's own
 * plugins name it. Null where it names it nowhere. Takes what was kept once, whatever that is.
 */
export function findSecretUse (config: Readonly<Record<string, unknown>> | null, name: string): { routes: string[], places: string[] } | null {
  const paths: ConfigPath[] = []
  const visit = (value: unknown, path: ConfigPath): void => {
    if (typeof value === 'string') {
      if (secretNames(value).includes(name)) paths.push(path)
    } else if (Array.isArray(value)) value.forEach((one, index) => { visit(one, [...path, index]) })
    else if (isMap(value)) for (const [key, one] of Object.entries(value)) visit(one, [...path, key])
  }
  visit(config, [])
  if (paths.length === 0) return null
  const written: unknown = config?.['routes']
  const routes = Array.isArray(written) ? written as Raw[] : []
  const upstreams = new Set(paths.filter(([key]) => key === 'upstreams').map(([, upstream]) => upstream))
  const ofProject = paths.some(([key]) => key === 'plugins')
  const used = routes.filter((route, index) => ofProject || (isMap(route) && typeof route.upstream === 'string' && upstreams.has(route.upstream)) || paths.some(([key, at]) => key === 'routes' && at === index))
  return { routes: used.filter(isMap).map(idOf), places: paths.map((path) => path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')) }
}

function idOf ({ id, match }: RawMap): string {
  if (typeof id === 'string') return id
  const { methods, path, pathRegex } = isMap(match) ? match : {}
  const text = (value: Raw | undefined): string | null => typeof value === 'string' ? value : null
  return routeName({ methods: Array.isArray(methods) ? methods.map((method) => typeof method === 'string' ? method.toUpperCase() : '') : null, path: text(path), pathRegex: text(pathRegex) })
}
