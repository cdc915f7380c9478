import type { ProjectTemplate } from './template.js'

const CONFIG = `# yaml-language-server: $schema=gateway.schema.json
# Python functions behind one address, per environment: each function has a URL of its own at its provider.
#   sluice start                    the functions on this machine (\`python3 functions.py\`)
#   sluice start --env staging      those of staging

listen: { host: 127.0.0.1, port: 8080, health: true }
admin: { port: 8081 }

plugins:
  - security-headers
  - request-size: { maxBody: 6mb }  # the most that a function takes

projects:
  functions:
    # hosts: [ api.example.com ]    # left out: any host
    upstreams:
      hello:
        targets: [ "http://127.0.0.1:9001/hello" ]
        host: target                # a function's URL is known by its name only
        timeouts: { headers: 30s }
      report:
        targets: [ "http://127.0.0.1:9001/report" ]
        host: target
        timeouts: { headers: 5m }   # a long one
    routes:
      - { id: hello, match: { path: "/hello/*", methods: [ GET ] }, upstream: hello, rewrite: { stripPrefix: true } }
      - { id: report, match: { path: "/report/*", methods: [ POST ] }, upstream: report, rewrite: { stripPrefix: true } }

# The addresses of the functions; \`--env NAME\` or SLUICE_ENV=NAME lays one over the rest.
environments:
  staging:
    listen: { host: 0.0.0.0 }
    projects:
      functions:
        upstreams:
          hello: { targets: [ "https://hello-staging.functions.example.com" ] }
          report: { targets: [ "https://report-staging.functions.example.com" ] }
  production:
    listen: { host: 0.0.0.0 }
    projects:
      functions:
        upstreams:
          hello: { targets: [ "https://hello.functions.example.com" ] }
          report: { targets: [ "https://report.functions.example.com" ] }
`

const FUNCTIONS = `"""The functions, served on this machine: python3 functions.py [PORT]. Only Python itself is needed."""
import json
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def hello(event):
    return {"statusCode": 200, "body": {"hello": event["path"].strip("/") or "world"}}


def report(event):
    return {"statusCode": 200, "body": {"bytes": len(event["body"])}}


FUNCTIONS = {"hello": hello, "report": report}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def serve(self):
        name, _, path = self.path.split("?")[0].lstrip("/").partition("/")
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        function = FUNCTIONS.get(name)
        answer = function({"path": path, "body": body}) if function else {"statusCode": 404, "body": {"error": "there is no such function"}}
        text = json.dumps(answer["body"]).encode()
        self.send_response(answer["statusCode"])
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = serve

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 9001), Handler)
    print("functions on http://127.0.0.1:%d" % server.server_port, flush=True)
    server.serve_forever()
`

/** Python functions behind one address, per environment. */
export const LAMBDA: ProjectTemplate = {
  name: 'lambda',
  description: 'Python functions behind one address, per environment',
  files: [['gateway.config.yaml', CONFIG], ['functions.py', FUNCTIONS]],
  try: 'python3 functions.py & curl -i http://127.0.0.1:8080/hello/you'
}
