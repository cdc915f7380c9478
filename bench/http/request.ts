/** What is asked of every variant: a GET as an API's client sends it, with the fields that the plugins of `sluice-full` look at. */
export const REQUEST_PATH = '/api/v1/orders?limit=10'

/** Its fields beside Host. */
export const REQUEST_HEADERS: Readonly<Record<string, string>> = { Accept: 'application/json', Origin: 'https://app.example.com', 'User-Agent': 'bench/1.0' }

/** The whole request as text. */
export function requestText (port: number): string {
  const fields = Object.entries(REQUEST_HEADERS).map(([name, value]) => `${name}: ${value}\r\n`)
  return `GET ${REQUEST_PATH} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n${fields.join('')}\r\n`
}
