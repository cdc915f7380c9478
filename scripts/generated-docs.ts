import { buildJsonSchema } from '../core/config/json-schema.js'
import { buildReference } from '../core/config/reference.js'
import { buildRegistry } from '../core/config/registry.js'
import { plugins } from '../plugins/index.js'
import { dataModelDocument } from './data-model.js'

/** The documents that are made from schemas and types: path from the repository's root, and content. A test compares the files with it. */
export function generatedDocs (): ReadonlyMap<string, string> {
  const registry = buildRegistry(plugins)
  return new Map([
    ['docs/gateway.schema.json', `${JSON.stringify(buildJsonSchema(registry), null, 2)}\n`],
    ['docs/config.md', buildReference(registry)],
    ['docs/data-model.md', dataModelDocument()]
  ])
}
