import { TOKEN } from '../lib/check-field.js'
import { requestLines } from '../lib/header-lines.js'

const USUAL_METHODS: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])
const FORBIDDEN_IN_TARGET = /[^\x21-\x7e\x80-\xff]/

/**
 * The head of a request (RFC 9112 sections 3 and 5) without what delimits its body and without the empty line: latin1, the first of the fields
 * in front of `Connection`. Throws TypeError for what can not be written: steps may have made method, path and fields.
 */
export function requestHead (method: string, target: string, fields: readonly string[]): string {
  if (!USUAL_METHODS.has(method) && !TOKEN.test(method)) throw new TypeError('the method is no token')
  if (FORBIDDEN_IN_TARGET.test(target)) throw new TypeError('the path holds a blank, a control character or one beyond latin1')
  let head = `${method} ${target} HTTP/1.1\r\n${requestLines.checked(fields[0] as string, fields[1] as string)}connection: keep-alive\r\n`
  for (let i = 2; i < fields.length; i += 2) head += requestLines.checked(fields[i] as string, fields[i + 1] as string)
  return head
}
