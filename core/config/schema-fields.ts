/** Pieces that several parts of the config schema share. */
import { Type, type TSchema } from 'typebox'

/** What a project, upstream, plan or environment may be called. */
export const NAME_PATTERN = '^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$'

/** What an id of a route or a plugin use may be: one line of text. */
export const ID_PATTERN = '^[^\\u0000-\\u001f\\u007f-\\u009f\\u2028\\u2029]{1,200}$'

/** Marks the `plugins` lists in the schema: their entries are checked by hand, and described by the registry in the editors' schema. */
export const PLUGIN_LIST = 'x-plugin-list'

/** A map without keys of its own: names to values of one kind. */
export function NamedMap<T extends TSchema> (value: T, options: { title: string, description: string }) {
  return Type.Record(Type.String({ pattern: NAME_PATTERN }), value, { ...options, additionalProperties: false })
}

/** A map with fixed keys; any other is an error. */
export function Fields<P extends Record<string, TSchema>> (properties: P, options: { title?: string, description?: string, examples?: unknown[] } = {}) {
  return Type.Object(properties, { ...options, additionalProperties: false })
}

/** A TCP port. `least` is 0 where the system may choose. */
export function Port (least: 0 | 1, options: { description: string, default?: number }) {
  return Type.Integer({ title: 'a port', minimum: least, maximum: 65535, examples: [8080], ...options })
}

/** Text that is not empty. */
export function Text (options: { title?: string, description: string, default?: string, examples?: string[], pattern?: string }) {
  return Type.String({ minLength: 1, ...options })
}

/** The `plugins` list of the gateway, a project or a route. */
export function PluginList (description: string) {
  return Type.Array(Type.Unknown(), { title: 'a list of plugins', description, examples: [['cors', { 'rate-limit': { limit: '100/m' } }]], [PLUGIN_LIST]: true })
}

/** Whether, and how often, requests are logged: of a project or a route. */
export function AccessLogTuning (whose: string) {
  return Type.Union([
    Type.Boolean(),
    Fields({ sample: Type.Optional(Type.Number({ minimum: 0, maximum: 1, description: 'The share of requests that get a record, 0 to 1; failures always do.', examples: [0.1] })) })
  ], { title: 'an access log setting', description: `Access-log records of this ${whose}: \`false\` for none, \`{ sample: 0.1 }\` for a share.`, examples: [false, { sample: 0.1 }] })
}
