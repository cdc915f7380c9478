/** What holds where a configuration says nothing: written as people would write it, so that schema, code and reference have one source. */
export const DEFAULTS = {
  listen: { host: '0.0.0.0', port: 8080, minVersion: '1.2' },
  limits: {
    headerBytes: '16kb', headerFields: 100, urlBytes: '8kb', headers: '30s', bodyGrace: '30s', bodyRate: '1kb', stall: '60s', keepAlive: '72s'
  },
  healthPaths: ['/health', '/api/health'],
  admin: { host: '127.0.0.1', port: 8081 },
  statePath: './data',
  mongodb: { poolSize: 20, timeout: '700ms', reportsFrom: 'primary' },
  /** In the folder of the embedded store. */
  keyRingFile: 'keys.json',
  requestIdHeader: 'x-request-id',
  /** Header names and query keys that are never logged, whatever a configuration adds. */
  redact: [
    'authorization', 'proxy-authorization', 'cookie', 'set-cookie', 'x-api-key', 'api_key', 'apikey', 'key',
    'access_token', 'refresh_token', 'id_token', 'token', 'client_secret', 'secret', 'password', 'signature', 'code'
  ],
  buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  stopTimeout: '30s',
  baseDomain: 'localhost',
  projectPaths: '/p',
  pluginTimeout: '5s',
  upstreamHost: 'target',
  upstreamTimeouts: { connect: '5s', headers: '30s', idle: '60s', total: '0' },
  upgradeIdle: '1h'
} as const
