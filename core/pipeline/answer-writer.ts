import { finished, pipeline as chain, type Duplex } from 'node:stream'
import { GatewayError } from '../errors.js'
import { Refusal, type Reply } from '../reply.js'
import type { RelayOwner, UpstreamCall } from '../proxy/relay.js'
import { inflateCollected } from './collect.js'
import type { BufferPlan } from './compile.js'
import { AnswerDraft, asBuffer, chunkBytes, NOTHING } from './drafts.js'
import { BUG, StepRunner } from './steps.js'

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
    let body = reply.body === null ? null : asBuffer(reply.body)
    if (reply instanceof Refusal) {
      this.failedWith(reply)
      const rendered = this.observer.renderError(reply, this.id, this.request.headers.joined('accept'))
      headers.push('content-type', rendered.contentType)
      body = Buffer.from(rendered.body)
    }
    this.answer = new AnswerDraft(reply instanceof Refusal ? 'error' : 'reply', reply.status, '', headers, body, this.request.method === 'HEAD', false)
    this.runResponse(position, 0)
  }

  protected sendAnswer (): void {
    if (this.sink.closed) return
    const answer = this.response
    // What an upstream's parser let through can be sent; what steps made, refusals and their fields included, may not.
    if ((answer.source !== 'upstream' || this.compiled.pipeline.response !== null) && !this.isSendable(answer)) return
    this.headSent(answer.status)
    const { flat } = answer.headers
    const idHeader = this.observer.requestIdHeader
    if (idHeader !== null) answer.headers.put(idHeader, this.id)
    else if (answer.source === 'error') answer.headers.set(DEFAULT_ID_HEADER, this.id)
    const { transforms, bodyless } = answer
    const body = answer.body === null && answer.empty && !bodyless ? NOTHING : answer.body
    if (transforms !== null && bodyless) for (const transform of transforms) transform.destroy()
    if (transforms !== null && !bodyless && (body !== null || answer.source === 'upstream')) {
      this.sink.head(answer.status, answer.reason, flat, false)
      this.openTransforms(transforms)
      if (body !== null) this.entry?.end(body)
      else if (this.relayEnded) this.entry?.end()
      else this.relay?.resume()
      return
    }
    if (body !== null || answer.source !== 'upstream' || (bodyless && !answer.empty)) {
      // A step that puts a whole body, or none, in the place of one that streams wants nothing of that one.
      if (!this.relayEnded) this.relay?.abort()
      const trailers = body === null || bodyless || answer.source !== 'upstream' ? null : answer.trailersOf(this.trailers)
      if (trailers !== null) {
        // Only a chunked body can have trailers behind it.
        answer.headers.delete('content-length')
        this.sink.head(answer.status, answer.reason, flat, false)
        this.sink.write(body as Buffer)
        this.sink.end(trailers)
        return
      }
      if (answer.status === 204) answer.headers.delete('content-length')
      // RFC 9110 section 9.3.2: the length for HEAD is that of the answer to GET, which a transform would have made another.
      else if (answer.status !== 304 && transforms === null && (body !== null || answer.source !== 'upstream')) answer.headers.put('content-length', String(body === null ? 0 : body.length))
      this.sink.answer(answer.status, flat, body, bodyless)
      return
    }
    this.sink.head(answer.status, answer.reason, flat, bodyless)
    if (this.relayEnded) this.sink.end(this.trailers)
    else {
      this.sink.onDrain = this.drained
      this.relay?.resume()
    }
  }

  private isSendable (answer: AnswerDraft): boolean {
    try {
      answer.verify()
      return true
    } catch (error) {
      this.observer.bug(error, this.id, 'an answer that steps made')
      this.takeReply(BUG, 0)
      return false
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
    let broken = false
    const settled = (error: unknown): void => {
      if (error === null || error === undefined || broken || this.sink.closed) return
      broken = true
      if (!(error instanceof GatewayError)) this.observer.bug(error, this.id, 'response transform')
      this.relay?.abort()
      this.sink.abort()
    }
    if (transforms.length > 1) chain(transforms as unknown as [Duplex, Duplex], settled)
    // A chain takes its last stream for done once everything is written to it.
    finished(exit, { writable: false }, settled)
    exit.on('data', (chunk: unknown) => {
      try {
        if (!this.sink.write(chunkBytes(chunk))) exit.pause()
      } catch (error) {
        settled(error)
      }
    })
    exit.on('end', () => { this.sink.end(this.response.trailersOf(this.trailers)) })
    entry.on('drain', () => { this.relay?.resume() })
  }

  relayInform (status: number, headers: string[]): void {
    if (!this.sent) this.sink.inform(status, headers)
  }

  relayHead (status: number, reason: string, headers: string[], bodyless: boolean): boolean {
    const { response, responseBuffer } = this.compiled.pipeline
    this.answer = new AnswerDraft('upstream', status, reason, headers, null, this.request.method === 'HEAD', bodyless)
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

  get holdsChunk (): boolean { return this.collected !== null || this.entry !== null || !this.sink.flushed }

  relayEnd (trailers: string[] | null): void {
    this.relayEnded = true
    this.trailers = trailers
    if (this.collected !== null) {
      this.answerCollected(Buffer.concat(this.collected)).catch((error: unknown) => { this.failStep(error, this.compiled.pipeline.steps.length) })
      return
    }
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
    // What a step made could not be sent, or a transform of it broke.
    if (error.code === 'INTERNAL_ERROR') this.observer.bug(error.cause ?? error, this.id, error.details?.['reason'] === 'request_transform' ? 'request transform' : 'forward')
    else if (this.sent || error.code.startsWith('UPSTREAM')) this.observer.upstreamFailed(error, this.id, this.relay?.target?.origin ?? null)
    if (error.details?.['reason'] === 'total_timeout') this.abortSignal()
    if (this.sent) {
      this.failedWith(error)
      this.sink.abort()
      return
    }
    this.forget()
    this.collected = null
    this.failStep(error, this.compiled.pipeline.steps.length)
  }
}
