import type { Clock, Host, Logger, Metrics, Subrequest, SubrequestAnswer } from './host.js'
import type { ResolvedUse } from './pipeline/order.js'

/** What every plugin host shares. */
export interface HostServices {
  readonly log: Logger
  readonly clock: Clock
  readonly metricsFor: (plugin: string) => Metrics
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
  const { name, id } = step.use
  const fields = { plugin: name, id, project, route }
  const { log } = services
  return {
    plugin: { name, id },
    project,
    route,
    log: {
      debug: (more, message) => { log.debug({ ...fields, ...more }, message) },
      info: (more, message) => { log.info({ ...fields, ...more }, message) },
      warn: (more, message) => { log.warn({ ...fields, ...more }, message) },
      error: (more, message) => { log.error({ ...fields, ...more }, message) }
    },
    clock: services.clock,
    get metrics () { return services.metricsFor(name) },
    isOperatorToken: services.isOperatorToken,
    subrequest: (request) => services.subrequest(request, project)
  }
}
