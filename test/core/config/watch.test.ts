import { appendFileSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { test, type Test } from 'tap'
import { watchFiles, type FileWatcher, type WatchOptions } from '../../../core/config/watch.js'

/** Long ago, so that nothing counts as just written. */
const OLD = new Date(2020, 0, 1)

interface Story {
  directory: string
  watcher: FileWatcher
  /** Resolves with the files of the next report, whenever it came. */
  next (): Promise<string[]>
  /** How many reports nobody has asked for. */
  waiting (): number
}

/** A folder on the disk and a watcher whose reports can be awaited. */
function story (t: Test, options: WatchOptions = {}): Story {
  const directory = realpathSync(mkdtempSync(path.join(tmpdir(), 'sluice-watch-')))
  const reports: string[][] = []
  let wake: (() => void) | undefined
  const watcher = watchFiles((files) => {
    reports.push(files)
    wake?.()
  }, { intervalMs: 100, debounceMs: 20, graceMs: 60, ...options })
  t.teardown(() => {
    watcher.close()
    rmSync(directory, { recursive: true, force: true })
  })
  return {
    directory,
    watcher,
    waiting: () => reports.length,
    async next () {
      while (reports.length === 0) await new Promise<void>((resolve) => { wake = resolve })
      return reports.shift() as string[]
    }
  }
}

function write (file: string, text: string): string {
  mkdirSync(path.dirname(file), { recursive: true })
  writeFileSync(file, text)
  return file
}

/** The event that a later change to another file brings proves that an earlier one brought none. */
async function onlyTheMarkerIsTold ({ directory, watcher, next }: Story, files: string[], act: () => void): Promise<string[]> {
  const marker = write(path.join(directory, 'marker'), '0')
  await watcher.setFiles([...files, marker])
  act()
  // Several intervals: time enough for a wrong report by the poll.
  await new Promise((resolve) => { setTimeout(resolve, 350) })
  writeFileSync(marker, '1')
  return await next()
}

for (const [how, options] of [['by events', { intervalMs: 60_000 }], ['by asking alone', { intervalMs: 50, events: false }]] as const) {
  test(`watch: sees a file written in place, renamed over, and removed and made again, ${how}`, async (t) => {
    const { directory, watcher, next } = story(t, options)
    const file = write(path.join(directory, 'a.yaml'), 'a: 1\n')
    const other = write(path.join(directory, 'b.yaml'), 'b: 1\n')
    await watcher.setFiles([file, other])
    appendFileSync(file, 'b: 2\n')
    t.strictSame(await next(), [file], 'in place')
    for (const round of [1, 2, 3]) {
      write(path.join(directory, 'a.yaml.new'), `a: ${round + 10}\n`)
      renameSync(path.join(directory, 'a.yaml.new'), file)
      t.strictSame(await next(), [file], `renamed over, time ${round}`)
    }
    unlinkSync(file)
    t.strictSame(await next(), [file], 'removed')
    write(file, 'a: 3\n')
    t.strictSame(await next(), [file], 'made again')
    unlinkSync(file)
    write(file, 'a: 4\n')
    t.strictSame(await next(), [file], 'removed and made again at once')
  })
}

test('watch: sees Kubernetes turn ..data, at once and again', async (t) => {
  const { directory, watcher, next } = story(t, { intervalMs: 60_000 })
  const volume = path.join(directory, 'volume')
  for (const version of [1, 2, 3]) {
    const file = write(path.join(volume, `..v${version}`, 'gateway.yaml'), `version: ${version}\n`)
    write(path.join(volume, `..v${version}`, 'same.yaml'), 'same: true\n')
    utimesSync(file, OLD, OLD)
  }
  const turn = (version: number): void => {
    symlinkSync(`..v${version}`, path.join(volume, '..data_tmp'))
    renameSync(path.join(volume, '..data_tmp'), path.join(volume, '..data'))
  }
  turn(1)
  const [file, same] = [path.join(volume, 'gateway.yaml'), path.join(volume, 'same.yaml')]
  symlinkSync('..data/gateway.yaml', file)
  symlinkSync('..data/same.yaml', same)
  await watcher.setFiles([file, same])
  turn(2)
  t.strictSame(await next(), [file], 'the file with other content, not the one with the same')
  turn(3)
  rmSync(path.join(volume, '..v1'), { recursive: true })
  t.strictSame(await next(), [file])
})

test('watch: sees a link turned that no event tells of', async (t) => {
  const { directory, watcher, next } = story(t)
  // The file's own directory is a link into ..data, as a volume with `items: path: projects/a.yaml` has it.
  for (const version of [1, 2]) write(path.join(directory, `..v${version}`, 'projects', 'a.yaml'), `version: ${version}\n`)
  symlinkSync('..v1', path.join(directory, '..data'))
  symlinkSync('..data/projects', path.join(directory, 'projects'))
  const file = path.join(directory, 'projects', 'a.yaml')
  await watcher.setFiles([file])
  symlinkSync('..v2', path.join(directory, '..data_tmp'))
  renameSync(path.join(directory, '..data_tmp'), path.join(directory, '..data'))
  t.strictSame(await next(), [file])
  appendFileSync(path.join(directory, '..v2', 'projects', 'a.yaml'), 'more: true\n')
  t.strictSame(await next(), [file], 'and what happens in the new place')
})

test('watch: goes on when a whole directory is replaced', async (t) => {
  const { directory, watcher, next } = story(t)
  const file = write(path.join(directory, 'conf', 'a.yaml'), 'a: 1\n')
  await watcher.setFiles([file])
  rmSync(path.dirname(file), { recursive: true })
  t.strictSame(await next(), [file], 'gone')
  write(file, 'a: 2\n')
  t.strictSame(await next(), [file], 'back')
  rmSync(path.dirname(file), { recursive: true })
  write(file, 'a: 3\n')
  t.strictSame(await next(), [file], 'replaced at once')
  appendFileSync(file, 'b: 1\n')
  t.strictSame(await next(), [file], 'and still watched')
})

test('watch: a file that is not there yet is told when it comes, with its directory', async (t) => {
  const { directory, watcher, next } = story(t)
  const file = path.join(directory, 'later', 'a.yaml')
  await watcher.setFiles([file])
  write(file, 'a: 1\n')
  t.strictSame(await next(), [file])
})

test('watch: a directory changes with the names in it, but not with what an editor leaves there for a moment', async (t) => {
  const { directory, watcher, next, waiting } = story(t, { intervalMs: 60_000 })
  const projects = path.join(directory, 'projects')
  const file = write(path.join(projects, 'a.yaml'), 'a: 1\n')
  await watcher.setFiles([projects, file])
  write(path.join(projects, 'b.yaml'), 'b: 1\n')
  t.strictSame(await next(), [projects], 'a new name')
  write(path.join(projects, '.a.yaml.swp'), '')
  write(path.join(projects, 'a.yaml~'), 'a: 1\n')
  appendFileSync(file, 'b: 1\n')
  t.strictSame(await next(), [file], 'content')
  unlinkSync(path.join(projects, 'b.yaml'))
  t.strictSame(await next(), [projects], 'a name gone')
  unlinkSync(file)
  t.strictSame(await next(), [projects, file], 'the file and the name')
  t.equal(waiting(), 0)
})

test('watch: never tells of a file whose content is the same', async (t) => {
  const scene = story(t)
  const { directory } = scene
  const [touched, rewritten, replaced] = ['touched', 'rewritten', 'replaced'].map((name) => write(path.join(directory, name), `${name}: 1\n`)) as [string, string, string]
  const told = await onlyTheMarkerIsTold(scene, [touched, rewritten, replaced], () => {
    utimesSync(touched, new Date(), new Date())
    writeFileSync(rewritten, 'rewritten: 1\n')
    write(path.join(directory, 'new'), 'replaced: 1\n')
    renameSync(path.join(directory, 'new'), replaced)
    write(path.join(directory, 'unrelated'), 'x')
  })
  t.strictSame(told, [path.join(directory, 'marker')])
})

test('watch: a file that is gone or empty for a moment is not told as such', async (t) => {
  const scene = story(t, { graceMs: 250 })
  const { directory, watcher, next, waiting } = scene
  const file = write(path.join(directory, 'a.yaml'), 'a: 1\n')
  await watcher.setFiles([file])
  writeFileSync(file, '')
  await new Promise((resolve) => { setTimeout(resolve, 100) })
  writeFileSync(file, 'a: 1\n')
  const told = await onlyTheMarkerIsTold(scene, [file], () => undefined)
  t.strictSame(told, [path.join(directory, 'marker')])
  writeFileSync(file, '')
  t.strictSame(await next(), [file], 'but one that stays empty is')
  t.equal(waiting(), 0)
})

test('watch: many changes in a row are one report', async (t) => {
  const { directory, watcher, next, waiting } = story(t, { debounceMs: 60 })
  const files = Array.from({ length: 20 }, (_, index) => write(path.join(directory, `${String(index).padStart(2, '0')}.yaml`), 'a: 1\n'))
  await watcher.setFiles(files)
  for (const file of files) appendFileSync(file, 'b: 2\n')
  t.strictSame(await next(), files)
  t.equal(waiting(), 0)
})

test('watch: what changed after it was read and before it was watched is told at once', async (t) => {
  const { directory, watcher, next } = story(t, { intervalMs: 60_000 })
  const early = write(path.join(directory, 'early.yaml'), 'a: 1\n')
  await new Promise((resolve) => { setTimeout(resolve, 30) })
  const readAt = Date.now()
  await new Promise((resolve) => { setTimeout(resolve, 30) })
  const late = write(path.join(directory, 'late.yaml'), 'a: 1\n')
  await watcher.setFiles([early, late], readAt)
  t.strictSame(await next(), [late])
})

test('watch: setFiles takes files away, and close ends everything', async (t) => {
  const { directory, watcher, next, waiting } = story(t)
  const [kept, left] = [write(path.join(directory, 'kept'), '1'), write(path.join(directory, 'left'), '1')]
  await watcher.setFiles([kept, left])
  await watcher.setFiles([kept])
  writeFileSync(left, '2')
  writeFileSync(kept, '2')
  t.strictSame(await next(), [kept])
  watcher.close()
  writeFileSync(kept, '3')
  await new Promise((resolve) => { setTimeout(resolve, 250) })
  t.equal(waiting(), 0)
})

test('watch: 2 000 files are watched by one directory, and each is seen', async (t) => {
  const { directory, watcher, next } = story(t, { intervalMs: 60_000 })
  const files = Array.from({ length: 2_000 }, (_, index) => write(path.join(directory, `p${index}.yaml`), `a: ${index}\n`))
  await watcher.setFiles(files)
  for (const index of [0, 1_000, 1_999]) {
    const file = files[index] as string
    appendFileSync(file, 'b: 2\n')
    t.strictSame(await next(), [file])
  }
})
