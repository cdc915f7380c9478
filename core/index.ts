/** What `import … from 'sluice'` gives: the contract for plugin authors. */
// Stars, not names: TypeScript merges an author's `declare module 'sluice' { interface Slots { … } }` only through them.
export type * from './context.js'
export type * from './host.js'
export * from './plugin.js'
export { GatewayError, type ErrorCode, type ErrorOptions, type Finding } from './errors.js'
export { HeaderList } from './lib/header-list.js'
export { parseRate } from './lib/rate.js'
export { Duration, Rate, Size } from './lib/schema-types.js'
export { parseDuration, parseSize } from './lib/units.js'
export { Refusal, Reply, refuse, reply, type ReplyInit } from './reply.js'
export { STAGES, type RouteInfo, type Stage } from './route.js'
export { Type, type Static, type TSchema } from 'typebox'
