import { Argument, type Command } from 'commander'
import type { Terminal } from '../terminal.js'

type Shell = 'bash' | 'zsh' | 'fish'

/** Adds `sluice completion`. */
export function addCompletion (program: Command, terminal: Terminal): void {
  program.command('completion')
    .description('print a script that lets your shell complete commands and flags')
    .addArgument(new Argument('<shell>', 'your shell').choices(['bash', 'zsh', 'fish']))
    .option('--json', 'one JSON object: ok, shell, script')
    .addHelpText('after', `
Examples:
  sluice completion bash > ~/.local/share/bash-completion/completions/sluice
  sluice completion zsh > "${'$'}{fpath[1]}/_sluice"
  sluice completion fish > ~/.config/fish/completions/sluice.fish

Exit codes: 0 printed · 2 called wrongly`)
    .action((shell: Shell, { json }: { json?: boolean }) => {
      const script = completionScript(program, shell)
      terminal.print(json === true ? JSON.stringify({ ok: true, shell, script }) : script)
    })
}

interface Words {
  /** The commands that lead here, joined with `_`: names have none. */
  readonly path: string
  readonly words: readonly string[]
}

/** The completion script for a shell. It knows every command and flag of `program` and asks nobody while you type. */
export function completionScript (program: Command, shell: Shell): string {
  if (shell === 'fish') return fish(program)
  const all = wordsOf(program, '')
  // Names that mean something to neither shell (to zsh, `path` is PATH), and a length that zsh takes for no modifier.
  const script = `_sluice () {
  local known=' ${all.slice(1).map(({ path }) => path).join(' ')} '
  local at='' next word choices=''
  for word in "\${COMP_WORDS[@]:1:$((COMP_CWORD - 1))}"; do
    next="\${at:+\${at}_}$word"
    case "$known" in *" $next "*) at="$next" ;; esac
  done
  case "$at" in
${all.map(({ path, words }) => `    '${path}') choices='${words.join(' ')}' ;;`).join('\n')}
  esac
  COMPREPLY=($(compgen -W "$choices" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _sluice sluice`
  // Loaded by the first completion in a shell, it has to complete that one too.
  return shell === 'bash' ? script : `#compdef sluice\nautoload -U +X bashcompinit && bashcompinit\n${script}\nif [ "$funcstack[1]" = "_sluice" ]; then _bash_complete -o default -F _sluice; fi`
}

function wordsOf (command: Command, path: string): Words[] {
  const words = [...command.commands.map((one) => one.name()), ...longFlags(command).map(([long]) => long), '--help']
  return [{ path, words }, ...command.commands.flatMap((one) => wordsOf(one, path === '' ? one.name() : `${path}_${one.name()}`))]
}

function longFlags (command: Command): [long: string, description: string][] {
  return command.options.flatMap(({ long, description }) => long === null || long === undefined ? [] : [[long, description] satisfies [string, string]])
}

function fish (program: Command): string {
  const lines: string[] = []
  const add = (command: Command, above: readonly string[]): void => {
    const seen = above.map((name) => `__fish_seen_subcommand_from ${name}`)
    const here = [...seen, ...(command.commands.length === 0 ? [] : [`not __fish_seen_subcommand_from ${command.commands.map((one) => one.name()).join(' ')}`])].join('; and ')
    const condition = here === '' ? '' : ` -n '${here}'`
    for (const one of command.commands) lines.push(`complete -c sluice -f${condition} -a ${one.name()} -d '${quote(one.description())}'`)
    for (const [long, description] of longFlags(command)) lines.push(`complete -c sluice${condition} -l ${long.slice(2)} -d '${quote(description)}'`)
    for (const one of command.commands) add(one, [...above, one.name()])
  }
  add(program, [])
  return lines.join('\n')
}

function quote (text: string): string {
  return text.replaceAll(/[\\']/g, (character) => `\\${character}`)
}
