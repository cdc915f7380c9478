import type { IncomingMessage, ServerResponse } from 'node:http'
import type { ListenConfig } from '../route.js'
import { ClientBody } from './client-body.js'
import { endGently } from './end-gently.js'

/** The body of a request that Node has parsed. */
export class Http1Body extends ClientBody {
  private readonly req: IncomingMessage
  private readonly res: ServerResponse
  private opened = false

  constructor (req: IncomingMessage, res: ServerResponse, length: number | null, awaitsContinue: boolean, limits: ListenConfig['limits']) {
    super(length, awaitsContinue, limits)
    this.req = req
    this.res = res
  }

  get received (): boolean { return this.req.complete }

  protected get broken (): boolean { return this.req.destroyed && !this.req.complete }

  protected get answered (): boolean { return this.res.writableFinished }

  protected open (): void {
    if (this.opened) return
    this.opened = true
    const { req } = this
    req.on('data', (chunk: Buffer) => { this.took(chunk) })
    req.on('end', () => { this.tookAll() })
    req.on('error', () => { this.brokeOff() })
    req.on('close', () => { this.brokeOff() })
  }

  protected hold (): void { this.req.pause() }

  protected flow (): void { this.req.resume() }

  protected sayContinue (): boolean {
    if (this.res.headersSent) return false
    this.res.writeContinue()
    return true
  }

  protected endBehindAnswer (): void {
    const { req, res } = this
    const end = (): void => {
      endGently.call(req.socket)
      req.resume()
    }
    if (res.writableFinished) { end(); return }
    // Closing now would cut the answer off, and reading on would take whatever is sent.
    req.pause()
    res.once('finish', end)
  }

  protected cutConnection (): void { this.req.socket.destroy() }
}
