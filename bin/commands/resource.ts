import type { Command } from 'commander'
import { callAdmin, type AdminAnswer, type AdminRequest } from '../admin-client/client.js'
import { addAdminFlags as flags, runAdminCommand as run, type AdminFlags } from '../admin-client/admin-command.js'
import { parseFields } from '../admin-client/fields.js'
import { RESOURCES, type Action, type Resource } from '../admin-client/resources.js'
import { addSecretValueFlags, readSecretValue, type SecretValueFlags } from '../admin-client/secret-value.js'
import { printRecord, printTable } from '../admin-client/show.js'
import { CommandError } from '../command.js'
import { confirm } from '../confirm.js'
import { EXIT } from '../exit-codes.js'
import type { Terminal } from '../terminal.js'
import { addBulk } from './bulk.js'
import { addStatus } from './status.js'

interface Flags extends AdminFlags, SecretValueFlags {
  readonly yes?: boolean
  readonly filter?: readonly string[]
  readonly sort?: string
  readonly page?: string
  readonly perPage?: string
}

const HELP = `
The gateway: --url, --profile and --token-file, or SLUICE_ADMIN_URL, SLUICE_PROFILE and SLUICE_ADMIN_TOKEN; else the admin port on this machine.
Exit codes: 0 done · 1 refused, or nobody answers · 2 called wrongly`

/** Adds the commands that work over the admin API: `sluice project list`, `sluice key create …`. */
export function addResources (program: Command, terminal: Terminal): void {
  for (const resource of RESOURCES) addResource(program.command(resource.name).description(resource.description).addHelpText('after', HELP), resource, terminal)
  addStatus(program, HELP, terminal)
}

function addResource (group: Command, resource: Resource, terminal: Terminal): void {
  const { path, columns, example, can } = resource
  const one = (id: string, more = ''): string => `${path}/${encodeURIComponent(id)}${more}`
  const fieldsOf = async (fields: readonly string[], options: Flags): Promise<Record<string, unknown>> => {
    const body = parseFields(fields)
    if (resource.hasSecretValue !== true) return body
    if (body['value'] !== undefined) throw new CommandError('a value does not stand on the command line, where others can read it', 'pipe it in, or name --value-file or --value-env', EXIT.usage)
    return { ...body, value: await readSecretValue(options, terminal.env) }
  }
  const can1 = (what: Resource['can'][number]): boolean => can.includes(what)

  if (can1('list')) {
    flags(group.command('list')).description('list them')
      .option('--filter <name=value...>', 'only those; several values with commas: status=active,revoked')
      .option('--sort <names>', 'by these fields; a minus before one turns it: -created_at,name')
      .option('--page <number>', 'page', '1')
      .option('--per-page <number>', 'how many on a page, at most 100', '20')
      .action((options: Flags) => run(terminal, options, async (connection) => {
        const { body } = await callAdmin(connection, { method: 'GET', path: `${path}?${listQuery(options).toString()}` })
        const { data, pagination } = body as { data: Record<string, unknown>[], pagination: { page: number, total: number, totalPages: number } }
        if (options.json === true) { terminal.print(JSON.stringify(body)); return }
        if (data.length === 0) terminal.complain('none')
        else printTable(data, columns, terminal)
        if (pagination.totalPages > 1) terminal.complain(`page ${pagination.page} of ${pagination.totalPages}, ${pagination.total} in all`)
      }))
  }
  if (can1('get')) {
    flags(group.command('get <id>')).description('show one')
      .action((id: string, options: Flags) => run(terminal, options, async (connection) => { show(await callAdmin(connection, { method: 'GET', path: one(id, scopeQuery(options)) }), options, terminal) }))
  }
  if (can1('create')) {
    const command = flags(group.command('create <fields...>')).description('make one')
    if (resource.hasSecretValue === true) addSecretValueFlags(command)
    command.addHelpText('after', `\nExample:\n  sluice ${resource.name} create ${example}`)
      .action((fields: string[], options: Flags) => run(terminal, options, async (connection) => {
        show(await callAdmin(connection, { method: 'POST', path, body: { ...scopeFields(options), ...await fieldsOf(fields, options) } }), options, terminal)
      }))
  }
  if (can1('update')) {
    const command = flags(group.command(`update <id> ${resource.hasSecretValue === true ? '[fields...]' : '<fields...>'}`)).description('change fields of one; what somebody else changed meanwhile is not lost')
    if (resource.hasSecretValue === true) addSecretValueFlags(command)
    command.action((id: string, fields: string[], options: Flags) => run(terminal, options, async (connection) => {
        const body = await fieldsOf(fields, options)
        const { etag } = await callAdmin(connection, { method: 'GET', path: one(id, scopeQuery(options)) })
        show(await callAdmin(connection, { method: 'PATCH', path: one(id, scopeQuery(options)), body, ...(etag === null ? {} : { ifMatch: etag }) }), options, terminal)
      }))
  }
  if (can1('delete')) addAction(group, resource, { name: 'delete', description: 'remove one', method: 'DELETE', path: '', destroys: 'it is removed' }, terminal)
  for (const action of resource.actions) addAction(group, resource, action, terminal)
  addBulk(group, resource, terminal)
  if (resource.name === 'audit') {
    addErasePerson(group, terminal)
    addVerify(group, terminal)
  }
}

function addErasePerson (group: Command, terminal: Terminal): void {
  flags(group.command('erase-person <email>')).description('erase all that the entries of an account tell of who has this e-mail address').option('-y, --yes', 'do not ask')
    .action((email: string, options: Flags) => run(terminal, options, async (connection) => {
      if (options.account === undefined) throw new CommandError('no account is named', 'add --account ID; what operators make is in "local"', EXIT.usage)
      if (options.yes !== true) await confirm(`erase what the audit trail of ${options.account} tells of ${email}: it is lost; the chain holds`, email)
      const { body } = await callAdmin(connection, { method: 'POST', path: '/admin/audit/erase', body: { ...scopeFields(options), email } })
      if (options.json === true) terminal.print(JSON.stringify(body))
      else terminal.print(`${(body as { erased: readonly string[] }).erased.length} entries erased`)
    }))
}

function addVerify (group: Command, terminal: Terminal): void {
  flags(group.command('verify')).description('read the whole trail, and tell whether a record is missing or was changed (then exit code 1)')
    .action((options: Flags) => run(terminal, options, async (connection) => {
      const { body } = await callAdmin(connection, { method: 'GET', path: '/admin/audit/verify' })
      const { entries, fault } = body as { entries: number, fault: { seq: number, problem: string } | null }
      if (options.json === true) terminal.print(JSON.stringify(body))
      else if (fault === null) terminal.print(`${entries} records, none missing and none changed`)
      if (fault === null) return
      const what = { missing: 'is missing', chain: 'does not follow the one before it', entry: 'was changed', payload: 'says something else than when it was written' }[fault.problem] ?? fault.problem
      if (options.json === true) return EXIT.refused
      throw new CommandError(`record ${fault.seq} of the audit trail ${what}`, 'compare it with a backup, and find out who can write to the store')
    }))
}

function addAction (group: Command, resource: Resource, action: Action, terminal: Terminal): void {
  const command = flags(group.command(`${action.name} <id>${action.fields === true ? ' [fields...]' : ''}`)).description(action.description)
  if (action.destroys !== undefined) command.option('-y, --yes', 'do not ask')
  command.action((id: string, second: string[] | Flags, third?: Flags) => {
    const [fields, options] = Array.isArray(second) ? [second, third as unknown as Flags] : [[], second]
    return run(terminal, options, async (connection) => {
      if (action.destroys !== undefined && options.yes !== true) await confirm(`${action.name} ${resource.name} ${id}: ${action.destroys}`, id)
      const path = action.path === '' ? '' : `/${action.path}`
      const query = scopeQuery(options)
      const request: AdminRequest = {
        method: action.method,
        path: `${resource.path}/${encodeURIComponent(id)}${path}${path.includes('?') ? query.replace('?', '&') : query}`,
        ...(action.method === 'GET' || action.method === 'DELETE' ? {} : { body: parseFields(fields) })
      }
      show(await callAdmin(connection, request), options, terminal)
    })
  })
}

function show ({ body }: AdminAnswer, { json }: Flags, terminal: Terminal): void {
  if (json === true) terminal.print(JSON.stringify(body))
  else if (body === null) terminal.complain('done')
  else if (Array.isArray((body as { data?: unknown }).data)) {
    const { data } = body as { data: Record<string, unknown>[] }
    if (data.length === 0) terminal.complain('none')
    else printTable(data, Object.keys(data[0] ?? {}), terminal)
  } else printRecord(body as Record<string, unknown>, terminal)
}

function listQuery (options: Flags): URLSearchParams {
  const query = new URLSearchParams({ page: options.page ?? '1', perPage: options.perPage ?? '20' })
  for (const filter of options.filter ?? []) {
    const equals = filter.indexOf('=')
    if (equals < 1) throw new CommandError(`"${filter}" is not a filter`, 'write name=value', EXIT.usage)
    query.set(filter.slice(0, equals), filter.slice(equals + 1))
  }
  if (options.sort !== undefined) {
    const names = options.sort.split(',')
    query.set('sort', names.map((name) => name.replace(/^-/, '')).join(','))
    query.set('order', names.map((name) => name.startsWith('-') ? 'desc' : 'asc').join(','))
  }
  if (options.account !== undefined) query.set('customer_id', options.account)
  return query
}

function scopeQuery ({ account }: Flags): string {
  return account === undefined ? '' : `?${new URLSearchParams({ customer_id: account }).toString()}`
}

function scopeFields ({ account }: Flags): Record<string, string> {
  return account === undefined ? {} : { customer_id: account }
}
