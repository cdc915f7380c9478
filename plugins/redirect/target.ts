import type { Template, TemplateSource } from '../../core/lib/template.js'

// How a value that is one control character comes out of a `url` template.
const PLACE = '%01'
const VALUE = '\u0001'

/** A request in which every value of a template is one control character: values are encoded, literal text is not, so that the places show. */
export function probeRequest (names: readonly string[]): TemplateSource {
  const query = names.filter((name) => name.startsWith('request.query.')).map((name) => `${encodeURIComponent(name.slice('request.query.'.length))}=${PLACE}`)
  return {
    id: VALUE,
    request: {
      method: VALUE,
      // It always begins with a slash, and so can not belong to a host name.
      path: `/${VALUE}`,
      query: query.length === 0 ? PLACE : query.join('&'),
      host: VALUE,
      scheme: VALUE,
      clientAddress: VALUE,
      headers: { joined: () => VALUE }
    },
    params: new Proxy({}, { get: () => VALUE }),
    route: { id: VALUE },
    project: VALUE,
    get: () => ({ id: VALUE, name: VALUE, plan: VALUE })
  }
}

/** What a redirect template makes: a path, a URL, a URL whose host is (partly) the request's; or what is wrong with it. */
export type TargetShape =
  | { kind: 'path' | 'url' | 'host-from-request' }
  | { kind: 'wrong', message: string, remedy: string }

/** Finds out what a redirect template (encoding `url`) makes, and whether a request could bend it to another site. */
export function targetShape (template: Template): TargetShape {
  const shape = template.render(probeRequest(template.names))
  const target = JSON.stringify(template.source)
  if (/[^\x21-\x7e]|\\/.test(shape)) {
    return { kind: 'wrong', message: `the target ${target} holds characters that a URL can not`, remedy: 'percent-encode them (a space is %20)' }
  }
  if (/^\/(?!\/)/.test(shape)) return { kind: 'path' }
  const authority = /^(?:(?:[a-z][a-z0-9+.-]*|%01):)?\/\/([^/?#]*)/i.exec(shape)?.[1] ?? ''
  if (authority === '') {
    return { kind: 'wrong', message: `the target ${target} is neither a path nor a URL`, remedy: 'begin it with /, or with https:// and a host' }
  }
  if (!authority.includes(PLACE)) return { kind: 'url' }
  // https://example.com{{ x }} with the value ".evil.org" is another site. Where the whole host is one place, the template says
  // that this is meant; where a domain follows the place, the site is that one.
  const isWholeHost = /^%01(:\d+)?$/.test(authority)
  const behind = authority.slice(authority.lastIndexOf(PLACE) + PLACE.length)
  const endsInDomain = /\.(localhost|[a-z0-9-]+(\.[a-z0-9-]+)+)(:\d+)?$/i.test(behind)
  if (!isWholeHost && !endsInDomain) {
    return { kind: 'wrong', message: `in the target ${target} the request could choose the site`, remedy: 'put a / before the {{ }}, or end the host with a domain of your own; a {{ }} that is the whole host is allowed' }
  }
  return { kind: 'host-from-request' }
}
