/** What the sinks of one listener share. */
export interface SinkState {
  /** The server is stopping: answers say `Connection: close`. */
  draining: boolean
  /** `keepAliveFields` of the listener. */
  keepAlive: string
  /** How long a client may take nothing of the rest of its answer. */
  readonly stallMs: () => number
}
