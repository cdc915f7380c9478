import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { test } from 'tap'
import ts from 'typescript'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const fixture = `${root}test/types/plugin-contract.fixture.ts`
const EXPECTATION = /^\s*\/\/ @ts-expect-error (.+)$/

/** What the compiler says of the fixture with this text: line and message. */
function compile (text: string): { line: number, message: string }[] {
  const { config } = ts.readConfigFile(`${root}tsconfig.json`, (file) => readFileSync(file, 'utf8')) as { config: { compilerOptions: Record<string, unknown> } }
  const { options } = ts.convertCompilerOptionsFromJson({ ...config.compilerOptions, incremental: false, tsBuildInfoFile: undefined, noEmit: true }, root)
  const host = ts.createCompilerHost(options)
  const { getSourceFile } = host
  host.getSourceFile = (name, version, ...rest) => name === fixture ? ts.createSourceFile(name, text, version, true) : getSourceFile.call(host, name, version, ...rest)
  const program = ts.createProgram([fixture], options, host)
  return [...program.getOptionsDiagnostics(), ...ts.getPreEmitDiagnostics(program)].map(({ file, start, messageText }) => ({
    line: file === undefined || start === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1,
    message: `${file?.fileName.slice(root.length) ?? ''} ${ts.flattenDiagnosticMessageText(messageText, '\n')}`
  }))
}

test('types: a right use of the plugin contract compiles, and each wrong one does not', { timeout: 180_000 }, (t) => {
  const lines = readFileSync(fixture, 'utf8').split('\n')
  const expected = lines.flatMap((line, index) => EXPECTATION.test(line) ? [index + 2] : [])
  t.ok(expected.length >= 40)
  // Without the expectations there is an error behind each of them, and nowhere else.
  const found = compile(lines.map((line) => EXPECTATION.test(line) ? '' : line).join('\n'))
  t.same(found.filter(({ line }) => !expected.includes(line)), [])
  t.same(expected.filter((line) => !found.some((one) => one.line === line)).map((line) => lines[line - 1]), [], 'what compiles and should not')
  t.end()
})
