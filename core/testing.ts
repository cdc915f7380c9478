/** What `sluice/testing` gives plugin authors: requests through one plugin without a network port. */
import { Value } from 'typebox/value'
import { normalForm } from './config/normal-form.js'
import type { Outcome, Slots, TraceEntry } from './context.js'
import { renderError } from './error-body.js'
import type { Clock, Host, Logger } from './host.js'
import { createTestDirectory, type TestDirectory } from './key-fixtures.js'
import type { HeaderList } from './lib/header-list.js'
import { createMemoryRequest, MemorySink, type MemoryRequestInit } from './memory-exchange.js'
import { compilePipeline } from './pipeline/compile.js'
import type { ExchangeObserver } from './pipeline/compiled-route.js'
import type { ResolvedUse } from './pipeline/order.js'
import type { Plugin } from './plugin.js'
import { Tunnels } from './proxy/tunnels.js'
import { ScriptedExchange, scriptedRoute, type TestForwarded, type TestUpstreamAnswer } from './scripted-exchange.js'

export type { TestDirectory, TestKey } from './key-fixtures.js'
export type { TestForwarded, TestUpstreamAnswer } from './scripted-exchange.js'

/** Options of `testPlugin`. */
export interface TestOptions {
  /** Default: 200 with a small JSON body. Throw to play an upstream that fails. */
  upstream?: (request: TestForwarded) => TestUpstreamAnswer | Promise<TestUpstreamAnswer>
  /** Default: a clock that stands still until it is advanced. */
  clock?: Clock
  /** Slots that other plugins would have filled. */
  slots?: Readonly<Record<string, unknown>>
  /** What `host.directory` holds. Default: there is none (`host.directory` is null). */
  directory?: TestDirectory
  /** What `host.secrets` holds, by name. Default: there is none (`host.secrets` is null). */
  secrets?: Readonly<Record<string, string>>
  /** What `host.isOperatorToken` takes. */
  operatorToken?: string
  project?: string
  route?: string
  /** What `ctx.params` holds: what the route's path would have matched, still percent-encoded. */
  params?: Readonly<Record<string, string>>
  timeoutMs?: number
  /** Do not throw what a hook threw, but answer as the gateway would (500). */
  tolerateBugs?: boolean
}

/** What became of one request. */
export interface TestResult {
  status: number
  headers: HeaderList
  body: Buffer
  /** False when the answer broke off. */
  complete: boolean
  /** Null when the plugin answered instead. */
  forwarded: TestForwarded | null
  decisions: readonly TraceEntry[]
  outcome: Outcome
  annotations: Readonly<Record<string, string | number | boolean>>
}

/** A plugin instance under test. */
export interface PluginTest {
  request (init?: Partial<MemoryRequestInit>): Promise<TestResult>
  /** What the plugin logged. */
  readonly logs: readonly { level: string, message: string, fields: Readonly<Record<string, unknown>> }[]
  /** What it counted: metric name, labels, value. */
  readonly metrics: readonly { name: string, labels: readonly string[], value: number }[]
  readonly clock: FakeClock
  close (): Promise<void>
}

/** A clock that only goes when it is told to. */
export class FakeClock implements Clock {
  private time: number
  private waiting: { at: number, callback: () => void }[] = []

  constructor (now = Date.UTC(2026, 0, 1)) { this.time = now }

  now (): number { return this.time }
  monotonic (): number { return this.time }

  after (delayMs: number, callback: () => void): () => void {
    const entry = { at: this.time + delayMs, callback }
    this.waiting.push(entry)
    return () => { this.waiting = this.waiting.filter((other) => other !== entry) }
  }

  /** Lets time pass; what falls due on the way is called in order. */
  advance (ms: number): void {
    const until = this.time + ms
    for (;;) {
      const due = this.waiting.filter((entry) => entry.at <= until).sort((a, b) => a.at - b.at)[0]
      if (due === undefined) break
      this.waiting = this.waiting.filter((entry) => entry !== due)
      this.time = Math.max(this.time, due.at)
      due.callback()
    }
    this.time = until
  }
}

/**
 * Creates a plugin with a config (defaults filled, validated: throws TypeError with what is wrong) and returns what sends requests
 * through it and shows every decision. The upstream is a function; no port is opened.
 */
export async function testPlugin (plugin: Plugin, config: unknown = {}, options: TestOptions = {}): Promise<PluginTest> {
  const filled = Value.Default(plugin.config, Value.Clone(config))
  const wrong = Value.Errors(plugin.config, filled)[0]
  if (wrong !== undefined) throw new TypeError(`config of plugin "${plugin.name}" ${wrong.instancePath === '' ? '' : `at ${wrong.instancePath} `}${wrong.message}`)
  const logs: { level: string, message: string, fields: Readonly<Record<string, unknown>> }[] = []
  const metrics: { name: string, labels: readonly string[], value: number }[] = []
  const clock = options.clock instanceof FakeClock ? options.clock : new FakeClock()
  const step: ResolvedUse = {
    use: {
      name: plugin.name, id: plugin.name, hasId: false, use: null, remove: false, config: normalForm(plugin.config, filled) as Record<string, unknown>, stage: null, locked: false,
      timeoutMs: options.timeoutMs ?? 5_000, at: []
    },
    plugin,
    stage: plugin.stages[0] as ResolvedUse['stage'],
    level: 'route',
    replaces: null
  }
  const project = options.project ?? 'test'
  const route = options.route ?? 'test'
  const { secrets } = options
  const host: Host = {
    plugin: { name: plugin.name, id: plugin.name },
    project,
    route,
    log: recordingLogger(logs),
    clock: options.clock ?? clock,
    metrics: {
      counter: (name) => ({ increment: (labels, by = 1) => { metrics.push({ name, labels, value: by }) } }),
      histogram: (name) => ({ observe: (labels, value) => { metrics.push({ name, labels, value }) } })
    },
    directory: options.directory === undefined ? null : createTestDirectory(options.directory),
    secrets: secrets === undefined ? null : { read: (name) => Object.hasOwn(secrets, name) ? secrets[name] ?? null : null },
    isOperatorToken: (token) => options.operatorToken !== undefined && token === options.operatorToken,
    subrequest: () => Promise.reject(new Error('testPlugin has no gateway to send a subrequest through'))
  }
  const pipeline = await compilePipeline([step], () => host)
  const bugs: unknown[] = []
  const observer: ExchangeObserver = {
    requestIdHeader: 'x-request-id',
    tunnels: new Tunnels(),
    renderError: (refusal, requestId, accept) => renderError(refusal, { requestId, timestamp: clock.now(), accept, docs: null }),
    bug: (error) => { bugs.push(error) },
    upstreamFailed: () => {}
  }
  const answerWith = options.upstream ?? (() => ({ status: 200, headers: { 'content-type': 'application/json' }, body: '{"ok":true}' }))
  const compiled = scriptedRoute(project, route, pipeline)
  let count = 0
  return {
    logs,
    metrics,
    clock,
    close: () => pipeline.close(),
    async request (init = {}) {
      const sink = new MemorySink()
      const exchange = new ScriptedExchange(`test-${++count}`, createMemoryRequest({ target: '/', ...init }), sink, compiled, observer, answerWith, options.params)
      for (const [slot, value] of Object.entries(options.slots ?? {})) exchange.set(slot as keyof Slots, value as Slots[keyof Slots])
      exchange.startTrace()
      exchange.begin()
      const answer = await sink.done
      const bug = bugs.shift()
      // A hook that threw is what an author wants to see, with its stack; `log` hooks too.
      if (bug !== undefined && options.tolerateBugs !== true) throw bug
      return {
        status: answer.status, headers: answer.headers, body: answer.body, complete: answer.complete, forwarded: exchange.forwarded,
        decisions: exchange.trace?.entries ?? [], outcome: exchange.outcome, annotations: exchange.annotations ?? {}
      }
    }
  }
}

function recordingLogger (logs: { level: string, message: string, fields: Readonly<Record<string, unknown>> }[]): Logger {
  const at = (level: string) => (fields: Readonly<Record<string, unknown>>, message: string): void => { logs.push({ level, message, fields }) }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
}
