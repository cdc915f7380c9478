/** The schema of a whole configuration file. Descriptions are the editors' hover text and the reference. */
import { Type, type Static } from 'typebox'
import { NamedMap, Fields, PluginList, Text } from './schema-fields.js'
import { AccessLog, Admin, BaseDomain, Counters, Domains, Egress, Errors, Listen, Metrics, ProjectPaths, RequestId, State, Stop, Workers } from './schema-gateway.js'
import { Project, Route, Upstream } from './schema-project.js'

const gateway = {
  listen: Type.Optional(Listen),
  admin: Type.Optional(Admin),
  state: Type.Optional(State),
  counters: Type.Optional(Counters),
  workers: Type.Optional(Workers),
  requestId: Type.Optional(RequestId),
  accessLog: Type.Optional(AccessLog),
  metrics: Type.Optional(Metrics),
  errors: Type.Optional(Errors),
  egress: Type.Optional(Egress),
  baseDomain: Type.Optional(BaseDomain),
  projectPaths: Type.Optional(ProjectPaths),
  domains: Type.Optional(Domains),
  stop: Type.Optional(Stop),
  plugins: Type.Optional(PluginList('Plugins of every route of the gateway, and of what no route serves.'))
}

const Include = Type.Array(Text({ title: 'a file pattern', description: 'A path relative to this file; `*`, `?` and `**` stand for parts of it.', examples: ['projects/*.yaml'] }), {
  title: 'a list of file patterns', examples: [['projects/*.yaml']], description: 'More files, each a part of the configuration.'
})

/** `listen`. */
export const ListenSchema = Listen

/** What belongs to the gateway as a whole. `listen`, projects and environments are validated apart; here they only have to be maps. */
export const GatewaySchema = Fields({
  ...gateway,
  listen: Type.Optional(Type.Object({}, { examples: [{ port: 8080 }] })),
  projects: Type.Optional(Type.Object({}, { examples: [{ shop: { routes: [] } }] })),
  environments: Type.Optional(Type.Object({}, { examples: [{ staging: { listen: { port: 9090 } } }] }))
})

/** A project. */
export const ProjectSchema = Project

/** A route of a project. */
export const RouteSchema = Route

/** An upstream of a project. */
export const UpstreamSchema = Upstream

/** A file as its author writes it. */
export const FileSchema = Fields({
  ...gateway,
  include: Type.Optional(Include),
  projects: Type.Optional(NamedMap(Project, { title: 'projects', description: 'Projects by name.' })),
  environments: Type.Optional(NamedMap(
    Fields({ ...gateway, projects: Type.Optional(NamedMap(Project, { title: 'projects', description: 'Projects by name.' })) }),
    { title: 'environments', description: 'What differs in an environment: laid over the rest when it is chosen. Maps merge, lists replace, `null` deletes.' }
  ))
}, { title: 'Sluice configuration' })

/** A validated gateway part, as written. */
export type RawGateway = Omit<Static<typeof GatewaySchema>, 'listen'> & { listen?: RawListen }
/** A validated `listen`, as written. */
export type RawListen = Static<typeof ListenSchema>
/** A validated project, as written. */
export type RawProject = Static<typeof ProjectSchema>
/** A validated route, as written. */
export type RawRoute = Static<typeof RouteSchema>
/** A validated upstream, as written. */
export type RawUpstream = Static<typeof UpstreamSchema>
