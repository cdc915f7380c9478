import type { ProjectTemplate } from './template.js'

const CONFIG = `# yaml-language-server: $schema=gateway.schema.json
# \`sluice schema --out gateway.schema.json\` writes the file that editors complete and explain this one with.
# \`sluice check\` tells what is wrong, \`sluice explain GET /echo/hello\` what serves a request, \`sluice start\` runs it.

listen:
  host: 127.0.0.1                   # 0.0.0.0 for all addresses
  port: 8080
  health: true                      # /health and /api/health answer 200

admin:                              # metrics, status, reload; needs the token that the start names
  port: 8081

plugins:                            # every route of every project gets these
  - security-headers
  - request-size: { maxBody: 10mb }

projects:
  demo:
    # hosts: [ api.example.com ]    # left out: any host
    upstreams:
      echo:
        builtin: echo               # a small service that answers with what it received; yours is
        # targets: [ "http://127.0.0.1:9001" ]
    plugins:                        # every route of this project
      - cors: { origins: [ "http://localhost:3000" ] }
    routes:
      - id: echo
        match: { path: "/echo/*", methods: [ GET, POST ] }
        upstream: echo
        rewrite: { stripPrefix: true }

      - id: version
        match: { path: /version }
        plugins:
          - respond: { body: { name: demo, version: 1 } }

# Laid over the rest by \`--env production\` or SLUICE_ENV=production; maps merge, lists and values replace, null deletes.
environments:
  production:
    listen: { host: 0.0.0.0 }
`
/** What runs at once: an echo service behind a gateway, with a bit of everything to change. */
export const DEMO: ProjectTemplate = {
  name: 'demo',
  description: 'an echo service behind a gateway, to try things with',
  files: [['gateway.config.yaml', CONFIG]],
  try: 'curl -i http://127.0.0.1:8080/echo/hello?x=1'
}
