/** The registry: every plugin that comes with the gateway, sorted by default stage (in the order of the pipeline), then by name. */
import type { Plugin } from '../core/plugin.js'
import apiKey from './api-key/index.js'
import compression from './compression/index.js'
import cors from './cors/index.js'
import debug from './debug/index.js'
import headers from './headers/index.js'
import ipRestriction from './ip-restriction/index.js'
import redirect from './redirect/index.js'
import requestSize from './request-size/index.js'
import respond from './respond/index.js'
import securityHeaders from './security-headers/index.js'

/** The plugins that a configuration may name without `use:`. */
export const plugins: readonly Plugin[] = [
  // edge
  compression,
  cors,
  debug,
  ipRestriction,
  requestSize,
  securityHeaders,
  // authenticate
  apiKey,
  // transform
  headers,
  // upstream
  redirect,
  respond
]
