/** What kept a start from succeeding, in one sentence with the remedy where it is known. */
export function explainStart (error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const { code, message, address, port } = error as NodeJS.ErrnoException & { address?: string, port?: number }
  const where = `${address ?? ''}:${port ?? ''}`
  if (code === 'EADDRINUSE') return `${where} is taken (end the other process, or choose another port with listen.port, admin.port or --port)`
  if (code === 'EACCES') return `may not listen on ${where} (ports below 1024 need a privilege; choose a higher one)`
  if (code === 'EADDRNOTAVAIL') return `can not listen on ${where}: this machine has no such address (correct listen.host or admin.host)`
  return message
}
