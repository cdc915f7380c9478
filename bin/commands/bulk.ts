import { Argument, Option, type Command } from 'commander'
import { addAdminFlags, runAdminCommand, type AdminFlags } from '../admin-client/admin-command.js'
import type { Resource } from '../admin-client/resources.js'
import { readRows, type Row, type RowFormat } from '../admin-client/rows.js'
import { sendBulk, type BulkItem, type BulkResult } from '../admin-client/send-bulk.js'
import { printTable } from '../admin-client/show.js'
import { CommandError } from '../command.js'
import { confirm } from '../confirm.js'
import { EXIT } from '../exit-codes.js'
import { visible, type Terminal } from '../terminal.js'

interface Flags extends AdminFlags {
  readonly format?: RowFormat
  readonly yes?: boolean
}

type Placed = BulkResult & { readonly place: string }

/** Adds what does something to many records of a file: `bulk`, and `import` where that is what people call it. */
export function addBulk (group: Command, resource: Resource, terminal: Terminal): void {
  const { bulk, name } = resource
  if (bulk === undefined) return
  flags(group.command('bulk')
    .description('do something to each record of a file, and tell what came of it')
    .addArgument(new Argument('<action>', 'what to do').choices(bulk.actions.map((action) => action.name)))
    .argument('<file>', 'CSV, a JSON object a line, or a JSON array; - is standard input'))
    .option('-y, --yes', 'do not ask')
    .addHelpText('after', `
A record names its id as ${resource.columns[0]} or id, where there is one; its other fields are those of \`${name} create\` and \`${name} update\`.

Examples:
${bulk.examples.map((example) => `  sluice ${name} bulk ${example}`).join('\n')}

Exit codes: 0 all was done · 1 something was not, or nobody answers · 2 called wrongly`)
    .action((action: string, file: string, options: Flags) => act(resource, action, file, options, terminal))
  if (!bulk.import) return
  flags(group.command('import <file>')).description('make one of each record of a file: CSV, a JSON object a line, or a JSON array')
    .addHelpText('after', `\nExample:\n  sluice ${name} import ${name}s.csv`)
    .action((file: string, options: Flags) => act(resource, 'create', file, options, terminal))
}

function flags (command: Command): Command {
  return addAdminFlags(command).addOption(new Option('--format <format>', 'what the file is written in, where its name does not say').choices(['csv', 'ndjson', 'json']))
}

function act (resource: Resource, action: string, file: string, options: Flags, terminal: Terminal): Promise<void> {
  return runAdminCommand(terminal, options, async (connection) => {
    const rows = await readRows(file, options.format)
    const items = rows.map((row) => itemOf(resource, action, row, options))
    const destroys = resource.bulk?.actions.find((one) => one.name === action)?.destroys
    if (destroys !== undefined && options.yes !== true) await confirm(`${action} ${rows.length} of ${file}: ${destroys}`, String(rows.length))
    const done: Placed[] = []
    for await (const { first, results } of sendBulk(connection, `${resource.path}/bulk`, items)) {
      for (const [index, result] of results.entries()) {
        const placed = { place: rows[first + index]?.place ?? '', ...result }
        done.push(placed)
        if (placed.error !== null && options.json !== true) terminal.complain(visible(`${placed.place}: ${placed.error.message} [${placed.status} ${placed.error.code}]`))
      }
    }
    const failed = done.filter(({ error }) => error !== null)
    if (options.json === true) terminal.print(JSON.stringify(done))
    else {
      // What is shown once has to be shown.
      const made = done.flatMap(({ error, body }) => error === null && body !== null ? [body] : [])
      if (made.length > 0) printTable(made, [...resource.columns, ...resource.bulk?.shown ?? []], terminal)
      terminal.complain(`${done.length - failed.length} of ${done.length} done`)
    }
    return failed.length === 0 ? EXIT.ok : EXIT.refused
  })
}

function itemOf ({ columns, bulk }: Resource, action: string, { place, fields }: Row, { account }: Flags): BulkItem {
  const idField = columns[0]
  const { [idField]: named, id = named, if_match: ifMatch, ...body } = fields
  const makes = action === 'create'
  if (makes) return { action, body: { ...account === undefined ? {} : { customer_id: account }, ...fields } }
  if (typeof id !== 'string' || id === '') throw new CommandError(`${place} has no ${idField}`, `name the record in a field called ${idField}`, EXIT.usage)
  const takes = bulk?.actions.find((one) => one.name === action)?.fields === true
  return { action, id, ...typeof ifMatch === 'string' ? { if_match: ifMatch } : {}, ...takes ? { body } : {} }
}
