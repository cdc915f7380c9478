import type { ProjectTemplate } from './template.js'

const CONFIG = `# yaml-language-server: $schema=gateway.schema.json
# One API behind the gateway: every path goes to it as it came.
#   API_URL=https://api.internal:8443 sluice start

listen:
  host: 127.0.0.1                   # 0.0.0.0 for all addresses
  port: 8080
  health: true                      # /health and /api/health answer 200

admin:                              # metrics, status, reload; needs the token that the start names
  port: 8081

plugins:
  - security-headers
  - request-size: { maxBody: 10mb }

projects:
  api:
    # hosts: [ api.example.com ]    # left out: any host
    upstreams:
      api:
        targets: [ "\${API_URL:-http://127.0.0.1:9001}" ]
        host: target                # the name that the API knows itself by; preserve = the client's
        timeouts: { connect: 5s, headers: 30s, idle: 60s }
    plugins:
      - compression
    routes:
      - { id: all, match: { path: "/*" }, upstream: api }

environments:
  production:
    listen: { host: 0.0.0.0 }
`

/** One API behind the gateway. */
export const PROXY: ProjectTemplate = {
  name: 'proxy',
  description: 'one API behind the gateway, its address in API_URL',
  files: [['gateway.config.yaml', CONFIG]],
  try: 'curl -i http://127.0.0.1:8080/'
}
