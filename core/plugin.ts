/** The plugin contract: what an author writes, typed so that a wrong use does not compile. */
import type { Static, TSchema } from 'typebox'
import type { BaseContext, Outcome, ResponseDraft, SlotName, Slots } from './context.js'
import { ConfigError, type Finding } from './errors.js'
import type { Host } from './host.js'
import type { Reply } from './reply.js'
import type { Stage } from './route.js'

/** What a plugin needs of others: a slot, one slot of several, or (with `?`) a slot if there is one. */
export type Requirement = SlotName | `${SlotName}?` | readonly SlotName[]

/** What a plugin wants of a body: nothing, to transform it as it streams, or all of it up to a size (`'1mb'` or bytes). */
export type BodyMode = 'none' | 'stream' | {
  readonly buffer: string | number
  /** Hand it over inflated (gzip, deflate, br); the limit then holds for the inflated size too. */
  readonly inflate?: boolean
}

/** Body modes of both directions; what is left out is `none`. */
export interface BodyModes {
  readonly request?: BodyMode
  readonly response?: BodyMode
}

/** A path that a plugin serves itself in its project, behind the steps that come before the plugin. */
export interface EndpointDeclaration<C = never> {
  readonly methods: readonly string[]
  /** Below the project's basePath; literal. */
  readonly path: string | ((config: C) => string)
}

type Plain<R> = R extends `${infer N}?` ? N : R extends readonly (infer M)[] ? M : R
type RequiredOf<R> = R extends readonly string[] ? never : R extends `${string}?` ? never : R

/** A context whose slots are what the plugin declares: required ones are there, optional and any-of ones may be. */
export interface SlotContext<P extends readonly SlotName[], R extends readonly Requirement[]> extends BaseContext {
  /** Reads a slot. A required one has a provider before this step (checked when the route is compiled), which fills it or ends the request. */
  get<K extends RequiredOf<R[number]> & SlotName> (slot: K): Slots[K]
  get<K extends (Plain<R[number]> | P[number]) & SlotName> (slot: K): Slots[K] | undefined
  /** Fills a slot that the plugin provides. */
  set<K extends P[number]> (slot: K, value: Slots[K]): void
}

/** Context of the `request` hook. */
export type RequestContext<P extends readonly SlotName[] = readonly [], R extends readonly Requirement[] = readonly []> = SlotContext<P, R>

/** Context of the `response` hook: there is an answer, its head not sent yet. */
export interface ResponseContext<P extends readonly SlotName[] = readonly [], R extends readonly Requirement[] = readonly []> extends SlotContext<P, R> {
  readonly response: ResponseDraft
}

/** Context of the `log` hook: everything is over. */
export interface LogContext<P extends readonly SlotName[] = readonly [], R extends readonly Requirement[] = readonly []> extends SlotContext<P, R> {
  readonly outcome: Outcome
}

/** What a hook may return: nothing to go on, or a promise of it only when something has to be waited for. */
export type Pass = void | undefined | Promise<void | undefined>

/** What a hook that may answer returns: nothing to go on, a Reply to end here, or a promise of either. */
export type Decision = void | undefined | Reply | Promise<void | undefined | Reply>

/** One live instance of a plugin: made once per route and snapshot. Every hook may be left out, and costs nothing then. */
export interface PluginInstance<P extends readonly SlotName[] = readonly SlotName[], R extends readonly Requirement[] = readonly Requirement[], E extends string = string> {
  request? (ctx: RequestContext<P, R>): Decision
  /** Runs in reverse order, for the steps that were entered before the one that replied. */
  response? (ctx: ResponseContext<P, R>): Pass
  /** A step or the upstream failed; the first Reply, innermost first, becomes the answer. */
  error? (ctx: RequestContext<P, R>, error: Error): Decision
  /** After the last byte. It can not wait. */
  log? (ctx: LogContext<P, R>): undefined | void
  /** The handlers of the declared endpoints. */
  endpoints?: { readonly [K in E]: (ctx: RequestContext<P, R>) => Reply | Promise<Reply> }
  /** When the project is replaced and its last request has ended. */
  close? (): void | Promise<void>
}

/** A plugin as its author writes it. */
export interface PluginDefinition<
  P extends readonly SlotName[] = readonly SlotName[],
  R extends readonly Requirement[] = readonly Requirement[],
  C extends TSchema = TSchema,
  E extends string = string
> {
  /** Folder, YAML key and metric label: `rate-limit`. */
  readonly name: string
  /** One sentence for the editor and the docs. */
  readonly description?: string
  /** Where it runs. The first of several is the default; YAML may choose another with `stage:`. */
  readonly stage: Stage | readonly Stage[]
  readonly provides?: P
  readonly requires?: R
  /** Headers by which it tells the upstream who calls, lower-case. Stripped from clients on every route of the gateway. */
  readonly identityHeaders?: readonly string[]
  readonly body?: BodyModes | ((config: Static<C>) => BodyModes)
  readonly endpoints?: { readonly [K in E]: EndpointDeclaration<Static<C>> }
  /** Tenants may not use it. */
  readonly operatorOnly?: boolean
  /** TypeBox object schema with `additionalProperties: false`. */
  readonly config: C
  /**
   * What is wrong with a config beyond its schema; paths begin at the plugin's own keys. Pure and quick: it runs for every use while
   * a configuration is loaded, so that all findings come at once. `create` only gets configs in which it found nothing.
   */
  check? (config: Static<C>): readonly Finding[]
  create (config: Static<C>, host: Host): PluginInstance<P, R, E> | Promise<PluginInstance<P, R, E>>
}

/** A plugin as the engine holds it, its types erased. */
export interface Plugin {
  readonly name: string
  readonly description: string
  readonly stages: readonly Stage[]
  readonly provides: readonly SlotName[]
  readonly requires: readonly Requirement[]
  readonly identityHeaders: readonly string[]
  readonly operatorOnly: boolean
  readonly endpoints: Readonly<Record<string, EndpointDeclaration<unknown>>>
  readonly config: TSchema
  body (config: unknown): Required<BodyModes>
  check (config: unknown): readonly Finding[]
  /** Throws ConfigError where `check` finds something. */
  create (config: unknown, host: Host): PluginInstance | Promise<PluginInstance>
}

/** Defines a plugin: checks what types can not, and fills what was left out. Throws TypeError with the remedy for a wrong definition. */
export function definePlugin<
  const P extends readonly SlotName[] = readonly [],
  const R extends readonly Requirement[] = readonly [],
  C extends TSchema = TSchema,
  E extends string = never
> (definition: PluginDefinition<P, R, C, E>): Plugin {
  const { name } = definition
  if (!/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/.test(name)) throw new TypeError(`plugin name "${name}" is not kebab-case (write it like "rate-limit")`)
  const identityHeaders = definition.identityHeaders ?? []
  for (const header of identityHeaders) {
    if (header !== header.toLowerCase()) throw new TypeError(`plugin "${name}": identity header "${header}" is not lower-case (write "${header.toLowerCase()}")`)
  }
  const stages = typeof definition.stage === 'string' ? [definition.stage] : definition.stage
  if (stages.length === 0) throw new TypeError(`plugin "${name}" names no stage (give at least one)`)
  const { body } = definition
  const fill = (modes: BodyModes | undefined): Required<BodyModes> => ({ request: modes?.request ?? 'none', response: modes?.response ?? 'none' })
  // The engine hands back only configs that this plugin's schema validated: erasing the types here is safe.
  const erased = definition as unknown as { create: Plugin['create'], check?: Plugin['check'], endpoints?: Plugin['endpoints'] }
  const check = (config: unknown): readonly Finding[] => erased.check?.call(definition, config) ?? []
  return Object.freeze<Plugin>({
    name,
    description: definition.description ?? '',
    stages,
    provides: definition.provides ?? [],
    requires: definition.requires ?? [],
    identityHeaders,
    operatorOnly: definition.operatorOnly ?? false,
    endpoints: erased.endpoints ?? {},
    config: definition.config,
    body: typeof body === 'function' ? (config) => fill(body(config as Static<C>)) : () => fill(body),
    check,
    create (config, host) {
      const findings = check(config)
      if (findings.length > 0) throw new ConfigError(findings)
      return erased.create.call(definition, config, host)
    }
  })
}
