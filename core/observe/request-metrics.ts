import { setImmediate as breathe } from 'node:timers/promises'
import { OTHER, SeriesBudget, type MetricObject } from './metric-object.js'
import { DURATION_NAME, StatsLevel, UPSTREAM_NAME, type CollectedStats, type RouteStats, type StatsBudgets } from './route-stats.js'

/** The request metrics of every route of the gateway, within a fixed number of series. */
export interface RequestMetrics {
  route (project: string | null, route: string | null): RouteStats
  release (project: string | null, route: string | null): void
  /** Reads everything, in pieces with pauses between, so that requests are not held up. */
  collect (): Promise<MetricObject[]>
}

// Shares of the 10 000 series of all metrics. A route gets its own with its first request while there are any; then it is counted
// with its project (route="other"), and what that has no room for with everything (project="other").
const ROUTE_SERIES = { statuses: 1800, histograms: 4100, bytes: 0 }
const PROJECT_SERIES = { statuses: 500, histograms: 650, bytes: 100 }
const UNBOUNDED = { statuses: Infinity, histograms: Infinity, bytes: Infinity }

/** How much is read before requests get their turn: about half a millisecond, before the code is warm. */
const LEVELS_AT_ONCE = 500
const VALUES_AT_ONCE = 300

interface Project {
  readonly level: StatsLevel
  readonly routes: Map<string, StatsLevel>
}

/** Makes the request metrics; bounds in milliseconds, ascending. */
export function createRequestMetrics (bounds: Float64Array): RequestMetrics {
  const routeBudgets = budgets(ROUTE_SERIES)
  const projectBudgets = budgets(PROJECT_SERIES)
  const all = new StatsLevel(bounds, budgets(UNBOUNDED), null)
  const projects = new Map<string, Project>()

  return {
    route (projectName, routeName) {
      const name = projectName ?? ''
      let project = projects.get(name)
      if (project === undefined) {
        project = { level: new StatsLevel(bounds, projectBudgets, all), routes: new Map() }
        projects.set(name, project)
      }
      let route = project.routes.get(routeName ?? '')
      if (route === undefined) {
        route = new StatsLevel(bounds, routeBudgets, project.level)
        project.routes.set(routeName ?? '', route)
      }
      return route
    },
    release (projectName, routeName) {
      const project = projects.get(projectName ?? '')
      const route = project?.routes.get(routeName ?? '')
      if (project === undefined || route === undefined) return
      route.release()
      project.routes.delete(routeName ?? '')
      if (project.routes.size > 0) return
      project.level.release()
      projects.delete(projectName ?? '')
    },
    async collect () {
      const to: CollectedStats = { requests: [], duration: [], upstream: [], bytesIn: [], bytesOut: [] }
      let levels = 0
      let values = 0
      const due = (): boolean => {
        const read = to.requests.length + to.duration.length + to.upstream.length
        if (++levels % LEVELS_AT_ONCE !== 0 && read - values < VALUES_AT_ONCE) return false
        values = read
        return true
      }
      for (const [name, project] of projects) {
        for (const [routeName, route] of project.routes) {
          route.collect(name, routeName, to)
          if (due()) await breathe()
        }
        project.level.collect(name, OTHER, to)
      }
      all.collect(OTHER, OTHER, to)
      return [
        { name: 'sluice_requests_total', help: 'Requests answered, by status; 0 where the client went before there was one.', type: 'counter', aggregator: 'sum', values: to.requests },
        { name: DURATION_NAME, help: 'Time from the head of a request to the last byte of its answer.', type: 'histogram', aggregator: 'sum', values: to.duration },
        { name: UPSTREAM_NAME, help: "Time from dispatch to the head of the upstream's answer.", type: 'histogram', aggregator: 'sum', values: to.upstream },
        { name: 'sluice_request_bytes_total', help: 'Bytes of request bodies taken in.', type: 'counter', aggregator: 'sum', values: to.bytesIn },
        { name: 'sluice_response_bytes_total', help: 'Bytes of response bodies sent.', type: 'counter', aggregator: 'sum', values: to.bytesOut }
      ]
    }
  }
}

function budgets (series: { statuses: number, histograms: number, bytes: number }): StatsBudgets {
  return { statuses: new SeriesBudget(series.statuses), histograms: new SeriesBudget(series.histograms), bytes: new SeriesBudget(series.bytes) }
}
