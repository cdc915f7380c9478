import { readFileSync } from 'node:fs'
import ts from 'typescript'

interface Field { readonly name: string, readonly type: string, readonly doc: string }
interface RecordType { readonly name: string, readonly doc: string, readonly fields: readonly Field[] }

const SOURCE = new URL('../../core/state/records.ts', import.meta.url)

/** The document of what the store keeps, made from the records' types and what is said there of each field. */
export function dataModelDocument (): string {
  const source = ts.createSourceFile('records.ts', readFileSync(SOURCE, 'utf8'), ts.ScriptTarget.Latest, true)
  const types = new Map(source.statements.filter(ts.isInterfaceDeclaration).map((declaration) => [declaration.name.text, readType(declaration, source)]))
  const collections = types.get('Records')?.fields ?? []
  const base = types.get('RecordBase')
  if (base === undefined || collections.length === 0) throw new Error('core/state/records.ts has no RecordBase or Records any more')
  const sections = collections.map(({ name, type }) => {
    const record = types.get(type)
    if (record === undefined) throw new Error(`core/state/records.ts has no interface ${type}`)
    return `## ${name}\n\n${record.doc}\n\n${table(record.fields)}`
  })
  return `# The data model

<!-- Made from core/state/records.ts by \`npm run docs\`. -->

What the store keeps, the same in SQLite and MongoDB, in backups, and, less what is secret, in the admin API. Times are UTC in ISO 8601 with milliseconds.
An id is one record's for good: also after it was removed. The tenant of each record is its account, \`customer_id\`; no query is made without it.

Every record has, beside its own fields:

${table(base.fields)}

${sections.join('\n\n')}
`
}

function readType (declaration: ts.InterfaceDeclaration, source: ts.SourceFile): RecordType {
  const fields = declaration.members.filter(ts.isPropertySignature).map((member): Field => ({
    name: member.name.getText(source), type: (member.type?.getText(source) ?? '').replace(/\s+/g, ' '), doc: docOf(member)
  }))
  return { name: declaration.name.text, doc: docOf(declaration), fields }
}

function docOf (node: ts.Node): string {
  return ts.getJSDocCommentsAndTags(node).map(({ comment }) => typeof comment === 'string' ? comment : ts.getTextOfJSDocComment(comment) ?? '').join(' ').replace(/\s+/g, ' ').trim()
}

function table (fields: readonly Field[]): string {
  const rows = fields.map(({ name, type, doc }) => `| \`${name}\` | \`${type.replaceAll('|', '\\|')}\` | ${doc.replaceAll('|', '\\|')} |`)
  return ['| field | type | |', '|---|---|---|', ...rows].join('\n')
}
