import { pipeline as chain, type Duplex } from 'node:stream'
import { GatewayError } from '../errors.js'
import { Refusal, type Reply } from '../reply.js'
import type { RelayOwner, UpstreamCall } from '../proxy/relay.js'
import { inflateCollected } from './collect.js'
import type { BufferPlan } from './compile.js'
import { AnswerDraft } from './drafts.js'
import { StepRunner } from './steps.js'

/** The field that carries the request id where the configuration names none; an error answer has one in any case. */
export const DEFAULT_ID_HEADER = 'x-request-id'

/**
 * The answer's half of an exchange: takes a reply or what the relay brings, has the response steps run, and writes to the sink with
 * backpressure. Once the head is sent no step runs any more, and what breaks breaks the answer.
 */
export abstract class AnswerWriter extends StepRunner implements RelayOwner {
  /** The status that was sent; 0 before. */
  status = 0
  errorCode: string | null = null
  errorReason: string | null = null
  relay: UpstreamCall | null = null
  private sent = false
  private collected: Buffer[] | null = null
  private collectedBytes = 0
  private relayEnded = false
  private trailers: string[] | null = null
  private entry: Duplex | null = null
  private exit: Duplex | null = null

  /** The head is out. */
  protected headSent (status: number): void {
    this.sent = true
    this.status = status
  }

  /** The client has gone: what the transforms hold is of no use. */
  protected dropTransforms (): void { this.entry?.destroy() }

  protected takeReply (reply: Reply, position: number): void {
    this.relay?.abort()
    const headers = reply.headers.slice()
    let body = reply.body === null ? null : typeof reply.body === 'string' ? Buffer.from(reply.body) : Buffer.from(reply.body.buffer, reply.body.byteOffset, reply.body.byteLength)
    if (reply instanceof Refusal) {
      this.failedWith(reply)
      const rendered = this.observer.renderError(reply, this.id, this.request.headers.joined('accept'))
      headers.push('content-type', rendered.contentType)
      body = Buffer.from(rendered.body)
    }
    const bodyless = reply.status === 204 || reply.status === 304 || this.request.method === 'HEAD'
    this.answer = new AnswerDraft(reply instanceof Refusal ? 'error' : 'reply', reply.status, '', headers, body, bodyless)
    this.runResponse(position, 0)
  }

  protected sendAnswer (): void {
    const answer = this.response
    if (this.sink.closed) return
    this.headSent(answer.status)
    const { flat } = answer.headers
    const idHeader = this.observer.requestIdHeader
    if (idHeader !== null) answer.headers.set(idHeader, this.id)
    else if (answer.source === 'error') answer.headers.set(DEFAULT_ID_HEADER, this.id)
    const { transforms, body } = answer
    if (transforms !== null && !answer.bodyless && (body !== null || answer.source === 'upstream')) {
      this.sink.head(answer.status, answer.reason, flat, false)
      this.openTransforms(transforms)
      if (body !== null) this.entry?.end(body)
      else if (this.relayEnded) this.entry?.end()
      else this.relay?.resume()
      return
    }
    if (body !== null || answer.source !== 'upstream') {
      // A step that puts a whole body in the place of one that streams wants nothing of that one.
      if (!this.relayEnded) this.relay?.abort()
      if (answer.status !== 204 && answer.status !== 304) answer.headers.set('content-length', String(body === null ? 0 : body.length))
      this.sink.answer(answer.status, flat, body, answer.bodyless)
      return
    }
    this.sink.head(answer.status, answer.reason, flat, answer.bodyless)
    if (this.relayEnded) this.sink.end(this.trailers)
    else {
      this.sink.onDrain = this.drained
      this.relay?.resume()
    }
  }

  private failedWith (error: Pick<Refusal, 'code' | 'details'>): void {
    this.errorCode = error.code
    const reason = error.details?.['reason']
    this.errorReason = typeof reason === 'string' ? reason : null
  }

  private readonly drained = (): void => {
    if (this.entry === null) this.relay?.resume()
    else this.exit?.resume()
  }

  private openTransforms (transforms: readonly Duplex[]): void {
    const entry = transforms[0] as Duplex
    const exit = transforms[transforms.length - 1] as Duplex
    this.entry = entry
    this.exit = exit
    this.sink.onDrain = this.drained
    const broken = (error: unknown): void => {
      this.observer.bug(error, this.id, 'response transform')
      this.relay?.abort()
      this.sink.abort()
    }
    if (transforms.length > 1) chain(transforms as unknown as [Duplex, Duplex], (error) => { if (error !== null && error !== undefined && !this.sink.closed) broken(error) })
    else entry.on('error', broken)
    exit.on('data', (chunk: Buffer) => { if (!this.sink.write(chunk)) exit.pause() })
    exit.on('end', () => { this.sink.end(this.trailers) })
    entry.on('drain', () => { this.relay?.resume() })
  }

  relayInform (status: number, headers: string[]): void {
    if (!this.sent) this.sink.inform(status, headers)
  }

  relayHead (status: number, reason: string, headers: string[], bodyless: boolean): boolean {
    const { response, responseBuffer } = this.compiled.pipeline
    this.answer = new AnswerDraft('upstream', status, reason, headers, null, bodyless)
    if (response === null) {
      this.sendAnswer()
      return true
    }
    if (responseBuffer !== null && !bodyless) {
      this.collected = []
      return true
    }
    this.runResponse(this.compiled.pipeline.steps.length, 0)
    return this.sent
  }

  relayData (chunk: Buffer): boolean {
    if (this.collected !== null) {
      this.collectedBytes += chunk.length
      const plan = this.compiled.pipeline.responseBuffer as BufferPlan
      if (this.collectedBytes > plan.maxBytes) {
        this.collected = null
        this.relay?.abort()
        this.failStep(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'response_too_large' } }), this.compiled.pipeline.steps.length)
        return true
      }
      this.collected.push(chunk)
      return true
    }
    return this.entry === null ? this.sink.write(chunk) : this.entry.write(chunk)
  }

  relayEnd (trailers: string[] | null): void {
    this.relayEnded = true
    this.trailers = trailers
    if (this.collected !== null) { void this.answerCollected(Buffer.concat(this.collected)); return }
    if (!this.sent) return
    if (this.entry !== null) this.entry.end()
    else this.sink.end(trailers)
  }

  private async answerCollected (raw: Buffer): Promise<void> {
    this.collected = null
    const answer = this.response
    const plan = this.compiled.pipeline.responseBuffer as BufferPlan
    const encoding = answer.headers.joined('content-encoding')
    if (plan.inflate && encoding !== undefined) {
      const inflated = await inflateCollected(raw, encoding, plan.maxBytes)
      if (this.sink.closed) return
      if (!Buffer.isBuffer(inflated)) {
        this.failStep(new GatewayError('UPSTREAM_INVALID_RESPONSE', { details: { reason: 'response_not_inflatable' } }), this.compiled.pipeline.steps.length)
        return
      }
      answer.headers.delete('content-encoding')
      answer.body = inflated
    } else answer.collected(raw)
    this.runResponse(this.compiled.pipeline.steps.length, 0)
  }

  relayFail (error: GatewayError): void {
    if (this.sent) {
      this.failedWith(error)
      this.observer.upstreamFailed(error, this.id, this.relay?.target?.origin ?? null)
      this.sink.abort()
      return
    }
    this.forget()
    this.collected = null
    if (error.code.startsWith('UPSTREAM')) this.observer.upstreamFailed(error, this.id, this.relay?.target?.origin ?? null)
    this.failStep(error, this.compiled.pipeline.steps.length)
  }
}
