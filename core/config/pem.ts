import { createPrivateKey, X509Certificate } from 'node:crypto'

/** What is wrong with a PEM text, or with two that do not go together; both without a full stop. */
export interface PemProblem { readonly message: string, readonly remedy: string }

/** Whether OpenSSL can read a text is better known now than at the first connection. */
export function pemProblem (text: string, kind: 'certificate' | 'key'): PemProblem | null {
  try {
    if (kind === 'key') createPrivateKey(text)
    else new X509Certificate(text)
    return null
  } catch {
    return { message: `this is not a PEM ${kind === 'key' ? 'private key without a passphrase' : 'certificate'}`, remedy: 'convert it with openssl' }
  }
}

/** Whether a key is its certificate's; null too where one of them can not be read. */
export function pairProblem (certificate: string, key: string): PemProblem | null {
  try {
    if (new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) return null
  } catch {
    return null
  }
  return { message: 'this key is not the one of its certificate', remedy: 'name the two files that were made together' }
}
