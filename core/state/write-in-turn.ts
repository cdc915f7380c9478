import type { DocumentEngine, Refusal, Write } from './document-engine.js'

/** Makes a write by the method that an engine has for it. Null = it was made. */
export async function makeWrite (engine: DocumentEngine, write: Write): Promise<Refusal | null> {
  if (write.kind === 'replace') return await engine.replace(write.collection, write.rev, write.document)
  const taken = await engine.insert(write.collection, write.document)
  return taken === null ? null : { taken }
}

/** What `writeAll` does, for an engine that has none: a commit for each. */
export async function writeInTurn (engine: DocumentEngine, writes: readonly Write[]): Promise<(Refusal | null)[]> {
  const outcomes: (Refusal | null)[] = []
  for (const write of writes) {
    const outcome = await makeWrite(engine, write)
    outcomes.push(outcome)
    if (outcome !== null) break
  }
  return outcomes
}
