import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { test } from 'tap'
import { Gateway } from '../../core/gateway.js'
import { createMetrics } from '../../core/observe/metrics.js'
import type { GatewayConfig } from '../../core/route.js'
import type { HashedProject, Snapshot } from '../../core/snapshot.js'
import { plugins } from '../../plugins/index.js'
import { projectConfig, routeConfig } from '../fixtures/routes.js'

const ROOT: GatewayConfig = {
  listen: {
    host: '127.0.0.1', port: 0, tls: null, redirectHttp: null, trustedProxies: [], keepRepeatedSlashes: false, health: [],
    limits: { headerBytes: 16_384, headerFields: 100, urlBytes: 8_192, headersMs: 30_000, bodyGraceMs: 30_000, bodyBytesPerSecond: 1_024, stallMs: 60_000, keepAliveMs: 5_000 }
  },
  admin: null, state: { kind: 'embedded', path: '', keyRing: '' }, counters: { kind: 'local' }, workers: 1, requestId: { header: 'x-request-id' }, accessLog: false, metrics: false,
  errorDocs: null, stopMs: 1_000, egress: { allow: [] }, baseDomain: 'localhost', projectPaths: null, domains: { resolvers: [] }, plugins: []
}

test('snapshot: the one before is let go of, although projects of it go on', async (t) => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const log = { debug () {}, info () {}, warn () {}, error () {} }
  const gateway = new Gateway({ registry: new Map(plugins.map((plugin) => [plugin.name, plugin])), log, accessLog: null, metrics: createMetrics(false) })
  t.teardown(() => gateway.close())
  const project = (name: string, hash: string): HashedProject => ({ hash, config: projectConfig(name, { hosts: [`${name}.example`], routes: [routeConfig('all', { path: '/*' })] }) })
  const apply = async (version: number): Promise<WeakRef<Snapshot>> => {
    const changed = version === 0 ? [project('kept', '0'), project('changing', '0')] : [project('changing', String(version))]
    await gateway.apply({ root: ROOT, rootHash: 'root', hashes: new Map([['kept', '0'], ['changing', String(version)]]), changed: [changed], authorPlugins: new Map() })
    return new WeakRef(gateway.current as Snapshot)
  }
  const snapshots: WeakRef<Snapshot>[] = []
  for (let version = 0; version < 5; version++) snapshots.push(await apply(version))
  // What a WeakRef gave in this turn is kept until it ends.
  await new Promise((resolve) => { setImmediate(resolve) })
  collect()
  t.strictSame(snapshots.map((snapshot) => snapshot.deref() === undefined), [true, true, true, true, false])
  t.equal(gateway.current?.projects.get('kept'), gateway.current?.hosts.find('kept.example', '/'))
})
