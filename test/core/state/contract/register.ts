import type { Test } from 'tap'
import type { OpenStore } from '../../../../core/state/store.js'

/** A test of the contract. `open` opens the test's own, at first empty, database: each call is a node of its own, which the suite closes. */
export type Body = (t: Test, open: () => Promise<OpenStore>) => Promise<void>

/** Registers a test of the contract. */
export type Register = (title: string, body: Body) => void
