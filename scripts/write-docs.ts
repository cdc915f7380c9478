/** Writes docs/gateway.schema.json and docs/config.md from the schema of the config language and of every plugin. Run: npm run docs */
import { writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { generatedDocs } from './generated-docs.js'

for (const [file, text] of generatedDocs()) {
  writeFileSync(fileURLToPath(new URL(`../../${file}`, import.meta.url)), text)
  console.log(`wrote ${file}`)
}
