import { join } from 'node:path'
import { request } from 'undici'
import { openDocumentStore } from '../../core/state/document-store.js'
import { LOCAL_ACCOUNT } from '../../core/state/records.js'
import { openSqliteEngine } from '../../core/state/sqlite-engine.js'
import { startGateway, type AdminBench } from './gateway.js'

const BOOTS = 3

/** How long a gateway takes from its start to the ready line with many projects in its store; checks that the last of them is served by then. */
export async function measureBoot (bench: AdminBench): Promise<number[]> {
  const { folder, originUrl, projects, gatewayCore, say } = bench
  const engine = await openSqliteEngine({ path: join(folder, 'boot') })
  const { store } = openDocumentStore(engine)
  for (let n = 0; n < projects; n++) {
    await store.projects.insert(LOCAL_ACCOUNT, { project_id: `p-${n}`, target_url: originUrl, auth_type: 'none', active: true, api_version: null, config: null, written_by: 'operator', config_version: 1, config_author: 'operator', config_comment: null })
    if (n % 1_000 === 999) say(`${n + 1} of ${projects} projects are in the store`)
  }
  await engine.close()
  const times: number[] = []
  for (let boot = 0; boot < BOOTS; boot++) {
    const { child, data, bootMs } = await startGateway(bench, 'boot', gatewayCore)
    const answer = await request(`http://127.0.0.1:${data}/`, { headers: { host: `p-${projects - 1}.localhost` } })
    await answer.body.dump()
    if (answer.statusCode !== 200) throw new Error(`the last project answers ${answer.statusCode} when the gateway says that it is ready`)
    times.push(bootMs)
    await child.stop()
  }
  return times
}
