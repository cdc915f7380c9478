/** Something that stands longer than a request, and can be asked to end. */
export interface Drainable {
  drain (): void
}

/** The tunnels that stand. Once draining, what is still opened is told so at once. */
export class Tunnels {
  private readonly open = new Set<Drainable>()
  private draining = false

  /** How many stand. */
  get size (): number { return this.open.size }

  add (tunnel: Drainable): void {
    this.open.add(tunnel)
    if (this.draining) tunnel.drain()
  }

  delete (tunnel: Drainable): void { this.open.delete(tunnel) }

  /** Asks all of them to end, and those that come. */
  drain (): void {
    this.draining = true
    for (const tunnel of [...this.open]) tunnel.drain()
  }
}
