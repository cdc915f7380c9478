import type { RouteMatch } from '../route.js'

/** What a route without an id is called: its methods and its path. */
export function routeName ({ methods, path, pathRegex }: Pick<RouteMatch, 'methods' | 'path' | 'pathRegex'>): string {
  return `${methods?.join(',') ?? '*'} ${path ?? `~${pathRegex ?? ''}`}`
}
