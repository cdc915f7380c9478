import { createHash } from 'node:crypto'
import { Worker } from 'node:worker_threads'

/** The script that shows an OpenAPI document, as it is sent. */
export interface ReferenceScript {
  /** JavaScript, compressed with gzip. */
  readonly gzip: Buffer
  readonly etag: string
}

let loading: Promise<ReferenceScript> | null = null

/**
 * Gives the script of Scalar's API reference, which comes with its package: nothing is fetched. Read once, when it is first asked for, by a thread that ends
 * behind it: in this one the package would take 75 MB for good, and stop everything for a second. Rejects where the package can not be read; then the next call
 * tries again.
 */
export function loadReferenceScript (): Promise<ReferenceScript> {
  loading ??= read().catch((error: unknown) => {
    loading = null
    throw error
  })
  return loading
}

async function read (): Promise<ReferenceScript> {
  const thread = new Worker(new URL('./reference-script-thread.js', import.meta.url))
  try {
    const bytes = await new Promise<Uint8Array>((resolve, reject) => {
      thread.once('message', resolve)
      thread.once('error', reject)
      thread.once('exit', () => { reject(new Error('the thread that reads the API reference ended')) })
    })
    const gzip = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    return { gzip, etag: `"${createHash('sha256').update(gzip).digest('base64url').slice(0, 22)}"` }
  } finally {
    await thread.terminate()
  }
}
