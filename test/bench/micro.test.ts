import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { test } from 'tap'
import { REPOSITORY } from '../fixtures/cli.js'

const run = promisify(execFile)

test('micro benches: one command runs those that are asked for and prints how cost grows', async (t) => {
  const { stdout } = await run(process.execPath, ['dist/bench/micro/index.js', '--quick', 'proxy/headers'], { cwd: REPOSITORY })
  t.match(stdout, /^\n== core\/proxy\/headers\nfields +8 +20 +100 +growth {3}ns\n {2}to the upstream( +[\d.]+){3} +[\d.]+ x\n/)
  t.notMatch(stdout, 'core/lib')
  await t.rejects(run(process.execPath, ['dist/bench/micro/index.js', 'nowhere'], { cwd: REPOSITORY }), { code: 1 } as never)
})
