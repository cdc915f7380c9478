import { existsSync } from 'node:fs'
import { kindOf, withoutKey } from '../../core/state/key-ring-edit.js'
import { replaceKeyRingFile } from '../../core/state/key-ring-source.js'
import { countKeyUse } from '../../core/state/reseal.js'
import { CommandError } from '../command.js'
import { confirm } from '../confirm.js'
import { EXIT } from '../exit-codes.js'
import { freeLastView, lastViewFile } from '../last-view.js'
import { visible, type Terminal } from '../terminal.js'
import type { KeyringFlags } from './places.js'
import { withKeyringStore, type KeyringStore } from './with-store.js'

/** What `sluice keyring retire` is told. */
export interface RetireFlags extends KeyringFlags {
  readonly yes?: boolean
}

/** Takes a key out of the ring that nothing in the store needs, and gives the exit code. */
export function retireKey (id: string, flags: RetireFlags, terminal: Terminal): Promise<number> {
  return withKeyringStore(flags, terminal, 'keyring.retire', async (place) => {
    const { ring, file } = place
    const before = ring.content()
    const after = withoutKey(before, id)
    if (after === null) {
      throw kindOf(before, id) === null
        ? new CommandError(`the ring has no key ${id}`, '`sluice keyring list` tells which it has')
        : new CommandError(`${id} is in use for new values`, '`sluice keyring rotate` puts another in use')
    }
    await refuseUsed(id, place)
    await freeView(id, place)
    if (file === null) {
      if (flags.json === true) terminal.print(JSON.stringify({ ok: true, source: 'environment', id, removed: false }))
      else terminal.print(`nothing in the store needs ${id}: take it out of SLUICE_KEYS, which can not be changed from here`)
      return EXIT.ok
    }
    if (flags.yes !== true) await confirm(`retire ${id}: what backups from before the rotation hold can not be opened without it`, id)
    replaceKeyRingFile(file, after)
    try {
      // Somebody may have sealed with it since.
      await refuseUsed(id, place)
    } catch (error) {
      replaceKeyRingFile(file, before)
      throw error
    }
    if (flags.json === true) terminal.print(JSON.stringify({ ok: true, source: file, id, removed: true }))
    else terminal.print(`${id} is gone from ${visible(file)}`)
    return EXIT.ok
  })
}

/** The last view of the store on this machine must not be what needs the key: without it a gateway could not start while the store is away. */
async function freeView (id: string, { state, open, ring }: KeyringStore): Promise<void> {
  const view = lastViewFile(state)
  if (!existsSync(view) || await freeLastView(view, { open, ring }, id)) return
  throw new CommandError(`${view} is sealed with ${id}, and the gateway that writes it has not done so anew`, 'run this again when it has; if it crashed, in a minute')
}

async function refuseUsed (id: string, { open, ring }: KeyringStore): Promise<void> {
  const count = (await countKeyUse(open.system)).get(id) ?? 0
  if (count === 0) return
  throw kindOf(ring.content(), id) === 'peppers'
    ? new CommandError(`${count} keys and tokens were made with ${id}`, 'it can go when they are revoked or regenerated')
    : new CommandError(`${count} values are sealed with ${id}`, 'run `sluice keyring rotate` first')
}
