import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { test } from 'tap'
import { createLineWriter } from '../../../core/observe/line-writer.js'
import { tempDir } from '../../fixtures/temp-dir.js'

const MODULE = new URL('../../../core/observe/line-writer.js', import.meta.url).href
const noFullDevice = existsSync('/dev/full') ? false : 'there is no /dev/full here'

/** Runs a script in a process of its own, with `createLineWriter` at hand; stdout is what `stdout` makes of it. */
function script (code: string, stdio: 'pipe' | 'ignore' = 'pipe') {
  return spawn(process.execPath, ['--input-type=module', '-e', `import { createLineWriter } from ${JSON.stringify(MODULE)}\n${code}`], { stdio: ['ignore', stdio, 'pipe'] })
}

async function textOf (stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  for await (const chunk of stream) text += String(chunk)
  return text
}

test('line-writer: writes lines in order, in few pieces, and by itself after a while', async (t) => {
  const file = join(tempDir(t), 'x.log')
  const writer = createLineWriter({ file, flushMs: 20 })
  writer.write('first\n')
  t.equal(readFileSync(file, 'utf8'), '', 'a short line waits')
  const deadline = Date.now() + 5000
  while (readFileSync(file, 'utf8') === '' && Date.now() < deadline) await delay(5)
  t.equal(readFileSync(file, 'utf8'), 'first\n')
  let expected = 'first\n'
  for (let n = 0; n < 5000; n++) {
    const line = `${n} ${'é'.repeat(n % 50)}\n`
    expected += line
    writer.write(line)
    if (n % 500 === 0) await delay(0)
  }
  await writer.flush()
  t.ok(readFileSync(file, 'utf8') === expected, 'everything is there, in order')
  t.equal(statSync(file).mode & 0o777, 0o640)
  writer.write('last\n')
  await writer.close()
  t.ok(readFileSync(file, 'utf8').endsWith('last\n'), 'close writes the rest')
  await writer.close()
  await writer.flush()
  writer.reopen()
  t.equal(writer.dropped, 0)
  writer.write('too late\n')
  t.equal(writer.dropped, 1)
})

test('line-writer: flush resolves under a load that never ends', async (t) => {
  const writer = createLineWriter({ file: join(tempDir(t), 'x.log') })
  const load = setInterval(() => { writer.write(`${'x'.repeat(5000)}\n`) }, 0)
  await writer.flush()
  await delay(20)
  await writer.flush()
  clearInterval(load)
  await writer.close()
  t.equal(writer.dropped, 0)
})

test('line-writer: a rotation loses nothing: what comes after reopen is in the new file', async (t) => {
  const folder = tempDir(t)
  const file = join(folder, 'x.log')
  const writer = createLineWriter({ file })
  let written = 0
  for (let round = 0; round < 5; round++) {
    for (let n = 0; n < 300; n++) writer.write(`${written++} ${'x'.repeat(100)}\n`)
    renameSync(file, join(folder, `x.log.${round}`))
    writer.reopen()
    writer.reopen()
    const deadline = Date.now() + 5000
    while (!existsSync(file) && Date.now() < deadline) await delay(2)
  }
  const deadline = Date.now() + 5000
  while (statSync(file).size === 0 && Date.now() < deadline) {
    writer.write(`${written++} ${'x'.repeat(100)}\n`)
    await writer.flush()
  }
  await writer.close()
  const lines = [...Array(5).keys()].map((round) => readFileSync(join(folder, `x.log.${round}`), 'utf8')).join('') + readFileSync(file, 'utf8')
  t.strictSame(lines.trimEnd().split('\n').map((line) => Number(line.split(' ')[0])), [...Array(written).keys()])
  t.ok(statSync(file).size > 0)
})

test('line-writer: a file that can not be opened is an error at once, and at a rotation the old one serves on', async (t) => {
  const folder = tempDir(t)
  t.throws(() => createLineWriter({ file: join(folder, 'missing', 'x.log') }), /can not be opened: ENOENT \(make its directory, and let this user write to it\)/)
  t.throws(() => createLineWriter({ file: folder }), /EISDIR/)
  const failures: string[] = []
  mkdirSync(join(folder, 'logs'))
  const writer = createLineWriter({ file: join(folder, 'logs', 'x.log'), onFailure: (error) => failures.push((error as NodeJS.ErrnoException).code ?? '') })
  renameSync(join(folder, 'logs'), join(folder, 'old'))
  writer.reopen()
  while (failures.length === 0) await delay(2)
  writer.write('still here\n')
  await writer.close()
  t.strictSame(failures, ['ENOENT'])
  t.equal(readFileSync(join(folder, 'old', 'x.log'), 'utf8'), 'still here\n')
})

test('line-writer: a full disk drops and counts, tells once, and never throws, waits or keeps the process', { skip: noFullDevice }, async (t) => {
  const failures: string[] = []
  const writer = createLineWriter({ file: '/dev/full', maxPendingBytes: 10_000, onFailure: (error) => failures.push((error as NodeJS.ErrnoException).code ?? '') })
  for (let n = 0; n < 1000; n++) writer.write(`${'x'.repeat(99)}\n`)
  t.ok(writer.dropped > 800, `${writer.dropped} dropped while the rest is kept`)
  await delay(600)
  t.strictSame(failures, ['ENOSPC'], 'though it was tried more than once')
  const start = performance.now()
  await writer.close(100)
  t.ok(performance.now() - start < 1000)
  t.equal(writer.dropped, 1000, 'every line is accounted for')

  const child = script("const w = createLineWriter({ file: '/dev/full' })\nw.write('x\\n')\nsetTimeout(() => w.write('y'.repeat(9000) + '\\n'), 10)")
  const [code] = await once(child, 'exit') as [number]
  t.equal(code, 0, 'and the process can end')
})

test('line-writer: a reader that goes away only costs lines', async (t) => {
  const child = script(`
    const w = createLineWriter({ file: null, chunkBytes: 0 })
    w.write('hello\\n')
    await w.flush()
    const until = Date.now() + 5000
    while (w.dropped === 0 && Date.now() < until) { w.write('more\\n'); await new Promise((resolve) => setTimeout(resolve, 5)) }
    await w.close()
    process.stderr.write(w.dropped > 0 ? 'dropped' : 'not dropped')`)
  await once(child.stdout as NodeJS.ReadableStream, 'data')
  child.stdout?.destroy()
  const [said, [code]] = await Promise.all([textOf(child.stderr as NodeJS.ReadableStream), once(child, 'exit') as Promise<[number]>])
  t.equal(said, 'dropped')
  t.equal(code, 0)
})

test('line-writer: a reader that is stuck neither blocks the loop nor fills memory', async (t) => {
  const child = script(`
    const w = createLineWriter({ file: null, maxPendingBytes: 1_000_000 })
    const line = 'x'.repeat(999) + '\\n'
    let longest = 0
    for (let round = 0; round < 100; round++) {
      const start = performance.now()
      for (let n = 0; n < 100; n++) w.write(line)
      await new Promise((resolve) => setImmediate(resolve))
      longest = Math.max(longest, performance.now() - start)
    }
    const start = performance.now()
    const closing = w.close(50)
    await closing
    process.stderr.write(JSON.stringify({ dropped: w.dropped, longest, closed: performance.now() - start }))
    process.stderr.end(() => process.kill(process.pid, 'SIGKILL'))`)
  child.stdout?.pause()
  const { dropped, longest, closed } = JSON.parse(await textOf(child.stderr as NodeJS.ReadableStream)) as Record<'dropped' | 'longest' | 'closed', number>
  t.ok(dropped > 8000 && dropped <= 10_000, `${dropped} of 10 000 dropped`)
  t.ok(longest < 200, `${longest} ms`)
  t.ok(closed < 1000, `${closed} ms`)
})

test('line-writer: a process can exit in time though nobody reads its pipe', { skip: process.platform === 'linux' ? false : 'pipes can not be opened again here' }, async (t) => {
  const program = join(tempDir(t), 'stuck.mjs')
  writeFileSync(program, `
    import { createLineWriter } from ${JSON.stringify(MODULE)}
    const w = createLineWriter({ file: null })
    for (let n = 0; n < 1000; n++) w.write('x'.repeat(999) + '\\n')
    setTimeout(async () => {
      await w.close(50)
      process.stderr.write(String(w.dropped))
      process.exit(0)
    }, 50)`)
  // The reader of the pipe is a process that reads nothing until the writer has gone; the time is the writer's.
  const child = spawn('sh', ['-c', '{ "$0" "$1"; echo " exit $?" >&2; } | { sleep 4; cat > /dev/null; }', process.execPath, program], { stdio: ['ignore', 'ignore', 'pipe'] })
  const start = performance.now()
  let said = ''
  for await (const chunk of child.stderr as NodeJS.ReadableStream) {
    said += String(chunk)
    if (said.includes('exit')) break
  }
  t.match(said, /^9\d\d exit 0/)
  t.ok(performance.now() - start < 3000, `${performance.now() - start} ms`)
  child.kill('SIGKILL')
})

test('line-writer: what is left is written when the process exits', async (t) => {
  const file = join(tempDir(t), 'x.log')
  const child = script(`
    const w = createLineWriter({ file: ${JSON.stringify(file)} })
    const out = createLineWriter({ file: null })
    w.write('one\\n'); w.write('two\\n'); out.write('three\\n')
    throw new Error('crash')`)
  const [out] = await Promise.all([textOf(child.stdout as NodeJS.ReadableStream), textOf(child.stderr as NodeJS.ReadableStream), once(child, 'exit')])
  t.equal(readFileSync(file, 'utf8'), 'one\ntwo\n')
  t.equal(out, 'three\n')
})

test('line-writer: workers that share a pipe never mix their lines', { skip: process.platform === 'win32' ? 'needs a shell' : false }, async (t) => {
  const folder = tempDir(t)
  const file = join(folder, 'x.log')
  const program = join(folder, 'workers.mjs')
  writeFileSync(program, `
    import cluster from 'node:cluster'
    import { createLineWriter } from ${JSON.stringify(MODULE)}
    if (cluster.isPrimary) {
      for (let n = 0; n < 3; n++) cluster.fork()
    } else {
      const w = createLineWriter({ file: null })
      for (let n = 0; n < 1500; n++) {
        w.write(JSON.stringify({ worker: cluster.worker.id, n, x: 'x'.repeat(300 + n % 700) }) + '\\n')
        if (n % 100 === 0) await w.flush()
      }
      await w.close()
      process.exit(w.dropped)
    }`)
  // The slow reader keeps the pipe full, which is when the kernel lets writes mix.
  const child = spawn('sh', ['-c', '"$0" "$1" | { sleep 0.3; cat > "$2"; }', process.execPath, program, file], { stdio: 'inherit' })
  t.strictSame(await once(child, 'exit'), [0, null])
  const next: Record<string, number> = {}
  for (const line of readFileSync(file, 'utf8').trimEnd().split('\n')) {
    const { worker, n } = JSON.parse(line) as { worker: number, n: number }
    if (n !== (next[worker] ?? 0)) t.fail(`worker ${worker} wrote ${n} in place of ${next[worker] ?? 0}`)
    next[worker] = n + 1
  }
  t.strictSame(Object.values(next), [1500, 1500, 1500])
})
