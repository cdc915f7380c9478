import { execFile } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { promisify } from 'node:util'
import { test } from 'tap'
import { writePluginTemplate } from '../../bin/plugin-new.js'
import { REPOSITORY } from '../fixtures/cli.js'
import { tempDir } from '../fixtures/temp-dir.js'

const run = promisify(execFile)

test('package: what is packed runs from where it is installed, and types plugins of an author', { timeout: 100_000 }, async (t) => {
  const folder = tempDir(t)
  const { stdout } = await run('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], { cwd: REPOSITORY })
  const [packed] = JSON.parse(stdout) as [{ filename: string, files: { path: string }[] }]
  const names = packed.files.map((file) => file.path)
  for (const needed of [
    'LICENSE', 'README.md', 'gateway.config.yaml', 'docs/gateway.schema.json', 'docs/config.md', 'dist/bin/sluice.js', 'dist/bin/config-worker.js', 'dist/bin/worker.js', 'dist/core/index.js', 'dist/core/index.d.ts',
    'dist/core/testing.js', 'dist/core/testing.d.ts'
  ]) t.ok(names.includes(needed), needed)
  t.strictSame(names.filter((name) => /^(?:dist\/)?(?:test|bench|scripts|examples)\/|tsbuildinfo|\.test\.|node_modules/.test(name)), [], 'nothing that only its makers need')

  // As installed: the package unpacked, its dependencies beside it.
  const modules = path.join(folder, 'node_modules')
  mkdirSync(path.join(modules, '.bin'), { recursive: true })
  await run('tar', ['-xzf', path.join(folder, packed.filename), '-C', modules])
  for (const name of readdirSync(path.join(REPOSITORY, 'node_modules'))) if (!name.startsWith('.')) symlinkSync(path.join(REPOSITORY, 'node_modules', name), path.join(modules, name))
  symlinkSync(path.join(modules, 'package'), path.join(modules, 'sluice'))
  const { bin } = JSON.parse(readFileSync(path.join(modules, 'sluice', 'package.json'), 'utf8')) as { bin: { sluice: string } }
  const sluice = async (...args: string[]): Promise<string> => (await run(process.execPath, [path.join(modules, 'sluice', bin.sluice), ...args], { cwd: folder })).stdout

  await sluice('init')
  await writePluginTemplate({ name: 'tea-time', directory: folder })
  const file = path.join(folder, 'gateway.config.yaml')
  writeFileSync(file, readFileSync(file, 'utf8').replace('  - security-headers\n', '  - security-headers\n  - use: ./plugins/tea-time/index.ts\n'))
  t.match(await sluice('check'), /: 1 project, 2 routes: no findings\n$/)
  t.match(await sluice('explain', 'GET', '/echo/hello', '--run'), /request {2}tea-time {2}reply 403/)
  t.match(JSON.parse(await sluice('explain', 'GET', '/echo/hello', '-H', 'x-tea-time: yes', '--run', '--json')), { run: { answer: { status: 200 } } })
  t.equal(await sluice('schema'), readFileSync(path.join(modules, 'sluice', 'docs', 'gateway.schema.json'), 'utf8'))

  writeFileSync(path.join(folder, 'package.json'), '{ "type": "module" }')
  writeFileSync(path.join(folder, 'tsconfig.json'), JSON.stringify({
    compilerOptions: { strict: true, module: 'nodenext', target: 'es2022', noEmit: true, skipLibCheck: true, allowImportingTsExtensions: true, types: ['node'], typeRoots: [path.join(REPOSITORY, 'node_modules', '@types')] },
    include: ['plugins', 'wrong.ts']
  }))
  const compiler = path.join(REPOSITORY, 'node_modules', 'typescript', 'bin', 'tsc')
  writeFileSync(path.join(folder, 'wrong.ts'), "import { definePlugin, Type } from 'sluice'\nexport default definePlugin({ name: 'x', stage: 'edge', config: Type.Object({ a: Type.Number() }), create: ({ a }) => ({ request: () => a }) })\n")
  const refused = await run(process.execPath, [compiler, '-p', '.'], { cwd: folder }).then(() => '', (error: { stdout: string }) => error.stdout)
  t.match(refused, /^wrong\.ts\(2,/, 'a hook that returns a number does not compile')
  t.strictSame(refused.split('\n').filter((line) => /^\S+\(\d/.test(line) && !line.startsWith('wrong.ts')), [], 'the template and the types of the package do')
})
