import type { Logger } from '../core/host.js'

/** A log that nobody reads: plugins are only created to see whether they can be. */
export const SILENT: Logger = { debug () {}, info () {}, warn () {}, error () {} }
