import type { CompiledPipeline } from './pipeline/compile.js'
import type { CompiledRoute } from './pipeline/compiled-route.js'
import type { Router } from './pipeline/router.js'
import type { ProjectConfig } from './route.js'

/**
 * A project ready to serve. Requests hold it, not the snapshot that it came with: an upgraded connection that lives for a day keeps
 * one project's plugins alive, nothing else.
 */
export class CompiledProject {
  readonly name: string
  readonly hash: string
  readonly config: ProjectConfig
  readonly router: Router<CompiledRoute>
  /** What answers 404 and 405: the gateway's and the project's steps, no route. */
  readonly fallback: CompiledRoute
  /** What it counts requests under: its routes, and null for those that no route took. */
  private readonly statsOf: readonly (string | null)[]
  private readonly pipelines: readonly CompiledPipeline[]
  private readonly upstreams: readonly { release (): void }[]
  private readonly onCloseFailed: (error: unknown) => void
  private active = 0
  private retired = false

  constructor (parts: {
    config: ProjectConfig
    hash: string
    router: Router<CompiledRoute>
    fallback: CompiledRoute
    statsOf: readonly (string | null)[]
    pipelines: readonly CompiledPipeline[]
    upstreams: readonly { release (): void }[]
    onCloseFailed: (error: unknown) => void
  }) {
    this.name = parts.config.name
    this.hash = parts.hash
    this.config = parts.config
    this.router = parts.router
    this.fallback = parts.fallback
    this.statsOf = parts.statsOf
    this.pipelines = parts.pipelines
    this.upstreams = parts.upstreams
    this.onCloseFailed = parts.onCloseFailed
  }

  /** Requests under way. */
  get requests (): number { return this.active }

  /** What it counts requests under that `other` does not. */
  statsBeside (other: CompiledProject | undefined): (string | null)[] {
    const kept = new Set(other?.statsOf)
    return this.statsOf.filter((route) => !kept.has(route))
  }

  /** A request begins. */
  enter (): void { this.active++ }

  /** A request has ended. */
  leave (): void {
    this.active--
    if (this.retired && this.active === 0) this.dispose()
  }

  /** Nothing new comes: the plugins close after the last request. Called once. */
  retire (): void {
    this.retired = true
    if (this.active === 0) this.dispose()
  }

  private dispose (): void {
    for (const upstream of this.upstreams) upstream.release()
    for (const pipeline of this.pipelines) pipeline.close().catch(this.onCloseFailed)
  }
}
