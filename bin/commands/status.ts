import type { Command } from 'commander'
import { addAdminFlags, runAdminCommand, type AdminFlags } from '../admin-client/admin-command.js'
import { callAdmin } from '../admin-client/client.js'
import { statusLines, type ShownGateway } from '../admin-client/status-text.js'
import type { Terminal } from '../terminal.js'

/** Adds `sluice status`: the gateway as a whole; less of it where it has no store, and for who may see no more. */
export function addStatus (program: Command, help: string, terminal: Terminal): void {
  addAdminFlags(program.command('status')).description('how a running gateway is').addHelpText('after', help)
    .action((options: AdminFlags) => runAdminCommand(terminal, options, async (connection) => {
      const system = await callAdmin(connection, { method: 'GET', path: '/admin/system', mayBeMissing: true })
      const { body } = system.status === 404 ? await callAdmin(connection, { method: 'GET', path: '/status' }) : system
      if (options.json === true) terminal.print(JSON.stringify(body))
      else for (const line of statusLines(gatewayOf(body as ShownGateway & { readonly lastReload?: NonNullable<ShownGateway['config']>['lastReload'] }), terminal.colors)) terminal.print(line)
    }))
}

/** `/status` has the last reload beside the configuration. */
function gatewayOf ({ lastReload = null, config, ...rest }: ShownGateway & { readonly lastReload?: NonNullable<ShownGateway['config']>['lastReload'] }): ShownGateway {
  return { ...rest, ...config === undefined ? {} : { config: { lastReload, ...config } } }
}
