import { randomUUID } from 'node:crypto'
import { hostname } from 'node:os'
import type { GatewayConfig } from '../../core/route.js'
import { checkKeyRing } from '../../core/state/key-ring-check.js'
import type { KeyRing } from '../../core/state/key-ring.js'
import { migrationStatus } from '../../core/state/migrate.js'
import { LOCAL_ACCOUNT } from '../../core/state/records.js'
import type { OpenStore } from '../../core/state/store.js'
import { CommandError } from '../command.js'
import { runStoreCommand } from '../store-command.js'
import type { Terminal } from '../terminal.js'
import { loadExistingRing, withRingRefusals, type KeyringFlags } from './places.js'

/** A store, the ring that belongs to it, and the right to change that. */
export interface KeyringStore {
  readonly open: OpenStore
  readonly ring: KeyRing
  /** The file of the ring; null where it is in SLUICE_KEYS and can not be changed. */
  readonly file: string | null
  readonly state: GatewayConfig['state']
  /** Goes on being the only one who changes the ring. Throws CommandError where that was lost. */
  keepLease (): Promise<void>
}

const LEASE = 'keyring'
const LEASE_MS = 60_000

/**
 * Opens the store that a configuration names and its ring, for one command at a time whatever machine it runs on, and gives what `act` gives.
 * The audit trail says that it was begun and what came of it.
 */
export function withKeyringStore (flags: KeyringFlags, terminal: Terminal, action: string, act: (place: KeyringStore) => Promise<number>): Promise<number> {
  return runStoreCommand(terminal, flags, false, (open, _place, state) => withRingRefusals(async () => {
    const { version, pending } = await migrationStatus(open.system)
    // What is not sealed yet would be told as broken.
    if (version > 0 && pending.length > 0) throw new CommandError(`the store has format ${version}, an older one than this version's`, 'run `sluice migrate up` first')
    const { ring, source } = loadExistingRing(state, terminal.env)
    await checkKeyRing(open.system, ring)
    const holder = `${hostname()}:${process.pid}:${randomUUID()}`
    const keepLease = async (): Promise<void> => {
      if (await open.system.takeLease(LEASE, holder, LEASE_MS) === null) throw new CommandError('another command changes the key ring', 'let it end; if it crashed, it is given up after a minute')
    }
    await keepLease()
    try {
      return await audited(open, action, () => act({ open, ring, file: source === 'environment' ? null : source, state, keepLease }))
    } finally {
      await open.system.releaseLease(LEASE, holder)
    }
  }))
}

async function audited (open: OpenStore, action: string, act: () => Promise<number>): Promise<number> {
  const entry = { request_id: randomUUID(), action, actor: 'operator', target_id: null, payload: {} }
  await open.audit.append(LOCAL_ACCOUNT, { ...entry, phase: 'intent', outcome: null })
  let outcome = 'failed'
  try {
    const code = await act()
    outcome = code === 0 ? 'ok' : 'incomplete'
    return code
  } finally {
    await open.audit.append(LOCAL_ACCOUNT, { ...entry, phase: 'outcome', outcome })
  }
}
