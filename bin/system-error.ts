/** Where a caller's port and address are chosen, to be added to the advice. */
export interface SystemErrorAdvice {
  readonly port: string
  readonly address: string
}

/** What the system's refusal of a file or a port means, and what to do; the remedy is empty where none is known. */
export function explainSystemError (error: Error, advice: SystemErrorAdvice = { port: 'choose another port', address: 'choose one that it has, like 127.0.0.1' }): { message: string, remedy: string } {
  const { code, message, address, port, path = 'a file' } = error as NodeJS.ErrnoException & { address?: string, port?: number }
  const where = port === undefined ? address ?? '' : `${address ?? ''}:${port}`
  if (code === 'EADDRINUSE') return { message: `${where} is taken`, remedy: `end the other process, or ${advice.port}` }
  if (code === 'EADDRNOTAVAIL') return { message: `can not listen on ${where}: this machine has no such address`, remedy: advice.address }
  if (code === 'EACCES' && port !== undefined) return { message: `may not listen on ${where}`, remedy: `ports below 1024 need a privilege; ${advice.port}` }
  if (code === 'EACCES' || code === 'EPERM') return { message: `${path} may not be read or written by this user`, remedy: 'change who owns it, or choose another' }
  if (code === 'EISDIR') return { message: `${path} is a folder`, remedy: 'name a file' }
  if (code === 'ENOTDIR' || code === 'EEXIST') return { message: `${path} is in the way`, remedy: 'choose another folder' }
  if (code === 'ENOENT') return { message: `${path} does not exist`, remedy: 'make it, or name one that exists' }
  return { message, remedy: '' }
}
