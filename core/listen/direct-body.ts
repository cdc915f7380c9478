import type { ListenConfig } from '../route.js'
import { ClientBody } from './client-body.js'

/** What a body needs of the connection that it comes on. */
export interface BodyOwner {
  readonly limits: ListenConfig['limits']
  readonly answering: boolean
  readonly gone: boolean
  /** Reads again, what it holds first. */
  readOn (): void
  stopReading (): void
  endGently (): void
  cut (): void
}

/** A body of known length on a connection that the gateway reads itself. */
export class DirectBody extends ClientBody {
  private readonly owner: BodyOwner
  private left: number
  private opened = false
  private held = false

  constructor (owner: BodyOwner, length: number) {
    super(length, false, owner.limits)
    this.owner = owner
    this.left = length
  }

  get received (): boolean { return this.left === 0 }

  /** Whether bytes are taken at the moment. */
  get flows (): boolean { return this.opened && !this.held }

  protected get broken (): boolean { return this.owner.gone && this.left > 0 }

  protected get answered (): boolean { return !this.owner.answering }

  /** How many of so many bytes are the body's. */
  share (length: number): number { return Math.min(length, this.left) }

  /** Takes a chunk of the body, which is its own from now on. */
  take (chunk: Buffer): void {
    this.left -= chunk.length
    this.took(chunk)
    if (this.left === 0) this.tookAll()
  }

  /** The connection has gone. */
  lost (): void {
    if (this.opened) this.brokeOff()
  }

  protected open (): void {
    this.opened = true
    this.owner.readOn()
  }

  protected hold (): void {
    this.held = true
    this.owner.stopReading()
  }

  protected flow (): void {
    this.held = false
    this.owner.readOn()
  }

  protected sayContinue (): boolean { return false }

  protected endBehindAnswer (): void { this.owner.endGently() }

  protected cutConnection (): void { this.owner.cut() }
}
