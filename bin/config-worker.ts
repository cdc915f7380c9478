/** The config thread: reads, validates and checks configuration for the thread that serves requests. */
import { parentPort } from 'node:worker_threads'
import { loadAuthorPlugin } from '../core/config/author-plugin.js'
import { createConfigCache } from '../core/config/cache.js'
import { loadConfig } from '../core/config/load.js'
import { serveConfigLoads } from '../core/config/loader-serve.js'
import { buildRegistry } from '../core/config/registry.js'
import { plugins } from '../plugins/index.js'
import { createChecks } from './checks.js'

if (parentPort === null) throw new Error('this is the entry of a worker thread, not a program')
// What an author's plugin throws is told with the line of its source.
process.setSourceMapsEnabled(true)
const registry = buildRegistry(plugins)
const checks = createChecks(registry)
const cache = createConfigCache()
serveConfigLoads(parentPort, (request) => loadConfig({ ...request, registry, checks, cache, loadAuthorPlugin }))
