import type { Clock, Directory, Host, Logger, Metrics, Secrets, Subrequest, SubrequestAnswer } from './host.js'
import type { ResolvedUse } from './pipeline/order.js'

/** What every plugin host shares. */
export interface HostServices {
  readonly log: Logger
  readonly clock: Clock
  readonly metricsFor: (plugin: string) => Metrics
  /** What is known of who calls a project; null where there is no store. */
  readonly directoryFor: (project: string) => Directory | null
  /** The secrets that a project can name; null where there is no store. */
  readonly secretsFor: (project: string) => Secrets | null
  readonly isOperatorToken: (token: string) => boolean
  readonly subrequest: (request: Subrequest, project: string | null) => Promise<SubrequestAnswer>
}

/** The system's clock. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after (delayMs, callback) {
    const timer = setTimeout(callback, delayMs)
    timer.unref()
    return () => { clearTimeout(timer) }
  }
}

/** The host of one step: the shared services under the step's name, project and route. */
export function createPluginHost (services: HostServices, step: ResolvedUse, project: string | null, route: string | null): Host {
  return new PluginHost(services, step, project, route)
}

/** There is one for each step of each route, and most plugins look at none of it: what it gives is made when it is asked for. */
class PluginHost implements Host {
  readonly project: string | null
  readonly route: string | null
  readonly #services: HostServices
  readonly #use: ResolvedUse['use']

  constructor (services: HostServices, { use }: ResolvedUse, project: string | null, route: string | null) {
    this.project = project
    this.route = route
    this.#services = services
    this.#use = use
  }

  get plugin (): Host['plugin'] { return { name: this.#use.name, id: this.#use.id } }

  get log (): Logger {
    const { log } = this.#services
    const fields = { plugin: this.#use.name, id: this.#use.id, project: this.project, route: this.route }
    return {
      debug: (more, message) => { log.debug({ ...fields, ...more }, message) },
      info: (more, message) => { log.info({ ...fields, ...more }, message) },
      warn: (more, message) => { log.warn({ ...fields, ...more }, message) },
      error: (more, message) => { log.error({ ...fields, ...more }, message) }
    }
  }

  get clock (): Clock { return this.#services.clock }

  get metrics (): Metrics { return this.#services.metricsFor(this.#use.name) }

  get directory (): Host['directory'] { return this.project === null ? null : this.#services.directoryFor(this.project) }

  get secrets (): Host['secrets'] { return this.project === null ? null : this.#services.secretsFor(this.project) }

  get isOperatorToken (): Host['isOperatorToken'] { return this.#services.isOperatorToken }

  get subrequest (): Host['subrequest'] {
    const { subrequest } = this.#services
    const { project } = this
    return (request) => subrequest(request, project)
  }
}
