import type { ConfigVersion, Project } from '../../core/state/records.js'
import type { NewRecord, PlannedWrite } from '../../core/state/store.js'
import type { Principal } from './roles.js'
import type { StatePorts } from './state-ports.js'

/** How many versions of a project are kept beside the present one. */
export const MOST_VERSIONS = 100

/** What a version consists of. */
export type Versioned = Pick<Project, 'config' | 'target_url' | 'auth_type' | 'written_by'>

type VersionFields = Pick<Project, 'config_version' | 'config_author' | 'config_comment'>

/** What a project says of its version once it has these parts: another one where any differs from what it has, else as it was. */
export function versionFields ({ configs }: Pick<StatePorts, 'configs'>, before: Project | null, parts: Partial<Versioned>, { actor }: Principal, comment: string | null): VersionFields {
  if (before === null) return { config_version: 1, config_author: actor, config_comment: comment }
  const next = { ...before, ...parts }
  const same = next.target_url === before.target_url && next.auth_type === before.auth_type && next.written_by === before.written_by && configs.same(next, before)
  if (same) return { config_version: before.config_version, config_author: before.config_author, config_comment: before.config_comment }
  return { config_version: before.config_version + 1, config_author: actor, config_comment: comment }
}

/** The id of a version's record. */
export function versionIdOf (projectId: string, version: number): string {
  return `cfv_${projectId}_${version}`
}

/** Which project and version an id names; null where it is none of a version. */
export function parseVersionId (id: string): { projectId: string, version: number } | null {
  const [, projectId, version] = /^cfv_([a-z0-9-]{1,63})_([1-9]\d{0,8})$/.exec(id) ?? []
  return projectId === undefined ? null : { projectId, version: Number(version) }
}

/** Sees to it that the version which a project has now is among the kept ones. */
export async function keepVersion ({ open: { store } }: Pick<StatePorts, 'open'>, project: Project): Promise<void> {
  const id = versionIdOf(project.project_id, project.config_version)
  if (await store.config_versions.get(project.customer_id, id) !== null) return
  try {
    await store.config_versions.insert(project.customer_id, versionOf(project))
  } catch (error) {
    // Somebody else wrote it down meanwhile: the same, for its id.
    if (!(error instanceof Error && error.name === 'DuplicateError')) throw error
  }
}

/**
 * A write of a project with the record of the version that comes of it. The version is part of the project, so that one conditional write decides what is
 * served and that it is a version; its record goes into the same commit, or where each write has its own is written behind. A crash between leaves a
 * project whose version has no record yet: whoever reads the versions, or changes the project next, writes it first.
 */
export async function planProject (state: Pick<StatePorts, 'open'>, before: Project | null, write: PlannedWrite<Project>): Promise<PlannedWrite<Project>> {
  const { made } = write
  if (before !== null) {
    if (before.config_version === made.config_version) return write
    await keepVersion(state, before)
    // Two, so that one which a crash left is gone by the next change.
    for (const version of [before.config_version - MOST_VERSIONS, before.config_version - MOST_VERSIONS - 1]) {
      if (version >= 1) await state.open.store.config_versions.remove(made.customer_id, versionIdOf(made.project_id, version))
    }
  }
  // A backup that was merged in may have brought one: it must not be in the way of a change.
  if (await state.open.store.config_versions.get(made.customer_id, versionIdOf(made.project_id, made.config_version)) !== null) return write
  const version = state.open.store.config_versions.planInsert(made.customer_id, versionOf(made))
  return {
    writes: write.writes === null || version.writes === null ? null : [...write.writes, ...version.writes],
    made,
    refusal: (one, why) => (write.writes?.includes(one) === true ? write : version).refusal(one, why),
    async make () {
      const after = await write.make()
      await keepVersion(state, after)
      return after
    }
  }
}

function versionOf ({ project_id, config_version: version, config, target_url, auth_type, written_by, config_author: author, config_comment: comment }: Project): NewRecord<ConfigVersion> {
  return { config_version_id: versionIdOf(project_id, version), project_id, version, config, target_url, auth_type, written_by, author, comment }
}
