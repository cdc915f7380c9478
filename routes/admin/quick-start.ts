import { Type } from 'typebox'
import { createKey, SHOWN_KEY } from './api-keys.js'
import { defineOperation, type Operation } from './operation.js'
import { createProject, SHOWN_PROJECT } from './projects.js'
import { CUSTOMER_ID } from './resource.js'

/** `POST /`: from a target to something that answers, in one call. */
export const QUICK_START_OPERATIONS: readonly Operation[] = [
  defineOperation({
    id: 'quick-start', method: 'POST', url: '/', summary: 'Makes a project in front of a target, and a key for it; this answer alone shows the key', permission: 'projects:create', status: 201,
    body: Type.Object({ target_url: Type.String({ minLength: 1, maxLength: 2048 }), customer_id: Type.Optional(CUSTOMER_ID) }, { additionalProperties: false }),
    answer: Type.Object({ project: SHOWN_PROJECT, key: SHOWN_KEY, api_key: Type.String(), secret: Type.String(), url: Type.Union([Type.String(), Type.Null()]), curl: Type.Union([Type.String(), Type.Null()]) }),
    secrets: ['api_key', 'secret', 'curl'],
    async run (call) {
      const { project, rev } = await createProject({ ...call, body: { ...call.body } })
      const projectId = project.project_id as string
      const { body } = await createKey(call, project.customer_id as string, { project_id: projectId, name: 'default' })
      const { api_key: apiKey, secret, ...key } = body as Record<string, unknown>
      // The line of curl that is shown works at once.
      await call.state.whenServed(projectId)
      const url = project.url as string | null
      const curl = url === null ? null : `curl -H 'X-API-Key: ${String(apiKey)}' ${url}/`
      return { status: 201, body: { project, key, api_key: apiKey, secret, url, curl }, rev, location: `/admin/projects/${projectId}` }
    }
  })
]
