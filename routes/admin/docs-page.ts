/**
 * The page at `/admin/docs`: it has nothing of the API in it, asks for a token, fetches the document with it, and shows that with Scalar's API reference. All
 * addresses are relative, for who reaches the port under a path.
 */
export const DOCS_PAGE = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Sluice admin API</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="docs/page.css">
</head>
<body>
<form id="token">
<h1>Sluice admin API</h1>
<label>Token <input name="token" type="password" autocomplete="off" required autofocus></label>
<button>Show</button>
<output></output>
<p>The operator's token, or one that POST /admin/tokens made. It stays in this page, and is gone when the page is.</p>
</form>
<div id="reference"></div>
<script src="docs/page.js"></script>
</body>
</html>
`

/** Its style, before the reference brings its own. */
export const DOCS_STYLE = `#token { max-width: 32rem; margin: 15vh auto; padding: 0 1rem; font: 16px/1.5 system-ui, sans-serif }
#token input { width: 100%; box-sizing: border-box; padding: .5rem; margin: .25rem 0 1rem; font: inherit }
#token button { padding: .5rem 1.5rem; font: inherit }
#token output { display: block; min-height: 1.5rem; margin-top: 1rem; color: #b00020 }
`

/** Its script. The token is kept by nothing but the reference that it opens, in memory. */
export const DOCS_SCRIPT = `const form = document.querySelector('#token')
const problem = form.querySelector('output')
// What checks schemas in the reference would try whether it may make code of texts, which the page's policy forbids.
globalThis.__zod_globalConfig = { jitless: true }
const load = (address) => new Promise((resolve, reject) => {
  const script = document.createElement('script')
  script.addEventListener('load', resolve)
  script.addEventListener('error', () => { reject(new Error('The reference could not be loaded.')) })
  script.src = address
  document.head.append(script)
})
const show = async (token) => {
  problem.textContent = ''
  const answer = await fetch('openapi.json', { headers: { authorization: 'Bearer ' + token }, cache: 'no-store', redirect: 'error' })
  const body = await answer.json()
  if (!answer.ok) throw new Error(body.error.message)
  await load('docs/scalar.js')
  form.remove()
  Scalar.createApiReference('#reference', {
    content: { ...body, servers: [{ url: new URL('..', location.href).href.replace(/\\/$/, '') }] },
    authentication: { preferredSecurityScheme: 'token', securitySchemes: { token: { token } } },
    persistAuth: false,
    withDefaultFonts: false,
    telemetry: false,
    agent: { disabled: true },
    mcp: { disabled: true },
    hideClientButton: true,
    showDeveloperTools: 'never',
    documentDownloadType: 'none',
    externalUrls: { dashboardUrl: '', registryUrl: '', proxyUrl: '', apiBaseUrl: '' }
  })
}
form.addEventListener('submit', (event) => {
  event.preventDefault()
  show(new FormData(form).get('token').trim()).catch((error) => { problem.textContent = error.message })
})
`

/** What the page may do: its own scripts, questions to its own port, and nothing else. Styles may stand in the page: the reference makes some that way. */
export const DOCS_POLICY = [
  "default-src 'none'", "script-src 'self'", "style-src 'self' 'unsafe-inline'", "img-src 'self' data:", "font-src 'self'", "connect-src 'self'", "form-action 'none'", "frame-ancestors 'none'", "base-uri 'none'"
].join('; ')
