import type { ConfigPath } from '../errors.js'
import { ENTRY_KEYS } from './registry.js'

const NOT_SETTINGS: ReadonlySet<string> = new Set([...ENTRY_KEYS, 'config'])

/** Whether a text at this path of a project may name secrets: within the settings of a plugin, and where an upstream's `tls` takes PEM texts. */
export function mayHoldSecret (path: ConfigPath): boolean {
  if (isPemPlace(path)) return true
  const at = path[0] === 'routes' && typeof path[1] === 'number' ? path.slice(2) : path
  const [list, index, name] = at
  return list === 'plugins' && typeof index === 'number' && typeof name === 'string' && !NOT_SETTINGS.has(name)
}

/** Whether a text at this path of a project may be a secret, whatever it is called there: what plugins are told, what requests have to hold, TLS. */
export function mayBeSecret (path: ConfigPath): boolean {
  const [routes, , match, what] = path
  return mayHoldSecret(path) || (routes === 'routes' && match === 'match' && (what === 'headers' || what === 'query'))
}

/** Whether a path is where an upstream's `tls` takes a PEM text. */
export function isPemPlace (path: ConfigPath): boolean {
  const [list, , tls, key] = path
  return path.length === 4 && list === 'upstreams' && tls === 'tls' && (key === 'ca' || key === 'cert' || key === 'key')
}
