import type { Position } from '../../core/errors.js'
import { placeOf } from '../command.js'
import { visible, type Terminal } from '../terminal.js'
import type { ExplainedCandidate, ExplainedRun, Explanation } from './explanation.js'

type Colors = Terminal['colors']

/** Candidates beyond these say nothing more, less so those that are for other addresses when there is a winner; `--json` has all. */
const MOST_SHOWN = 12
const MOST_ELSEWHERE = 5

/** An explanation as people read it, line by line. */
export function explanationLines (explanation: Explanation, colors: Colors): string[] {
  const { bold, dim, red, green } = colors
  const { request, refusal, own, project, route, forward, run } = explanation
  if (request === null) return [`${red('refused')}    before any route is looked at`, ...refusalLines(explanation, colors)]
  const lines = [row(colors, 'request', visible(`${request.method} ${request.path}${request.query === '' ? '' : `?${request.query}`}`), dim(visible(`host ${request.host}, from ${request.clientAddress}`)))]
  if (own) return [...lines, row(colors, 'answer', green('the gateway itself'), dim('listen.health'))]
  lines.push(row(colors, 'project', project === null ? red('none') : bold(visible(project)), placeOfWinner(explanation.projects, colors)))
  lines.push(...candidateLines(explanation.projects, colors))
  lines.push(row(colors, 'route', route === null ? red('none') : bold(visible(route.id)), route === null ? '' : `${visible(route.path)}  ${place(route.position, colors)}`))
  for (const [name, value] of Object.entries(route?.params ?? {})) lines.push(row(colors, '', dim(visible(`${name === '*' ? '*' : `:${name}`} = ${value}`)), ''))
  lines.push(...candidateLines(explanation.routes, colors))
  lines.push(...pipelineLines(explanation, colors))
  if (forward !== null) {
    const targets = forward.targets.map(({ url, weight }) => `${url}${forward.targets.length > 1 ? ` (weight ${weight})` : ''}`).join(', ')
    lines.push(row(colors, 'forward', visible(`${forward.path}${forward.query === '' ? '' : `?${forward.query}`}`), visible(`to ${forward.upstream}: ${targets}`)))
  } else if (refusal === null) lines.push(row(colors, 'forward', 'nowhere', dim('a step answers; if none does, 404')))
  lines.push(...refusalLines(explanation, colors))
  return run === null ? lines : [...lines, ...runLines(run, explanation, colors)]
}

function row ({ cyan }: Colors, label: string, first: string, second: string): string {
  return `${cyan(label.padEnd(9))} ${first}${second === '' ? '' : `  ${second}`}`.trimEnd()
}

function place (position: Position | null, { dim }: Colors): string {
  return position === null ? '' : dim(visible(placeOf(position)))
}

function placeOfWinner (candidates: readonly ExplainedCandidate[], colors: Colors): string {
  const winner = candidates.find(({ outcome }) => outcome === 'wins')
  return winner === undefined ? '' : `${visible(winner.reason)}  ${place(winner.position, colors)}`
}

function candidateLines (candidates: readonly ExplainedCandidate[], colors: Colors): string[] {
  const others = candidates.filter(({ outcome }) => outcome !== 'wins')
  const elsewhere = ({ reason }: ExplainedCandidate): boolean => reason.startsWith('path: is not') || reason.startsWith('host: is none')
  const near = others.filter((candidate) => !elsewhere(candidate))
  const shown = [
    ...near.filter(({ outcome }) => outcome === 'loses'), ...near.filter(({ outcome }) => outcome === 'no match'),
    ...others.filter(elsewhere).slice(0, others.length === candidates.length ? MOST_SHOWN : MOST_ELSEWHERE)
  ].slice(0, MOST_SHOWN)
  const width = Math.max(0, ...shown.map(({ name }) => visible(name).length))
  const lines = shown.map(({ name, outcome, reason, position }) => row(colors, '', `${colors.dim(outcome === 'loses' ? 'loses   ' : 'no match')} ${visible(name).padEnd(width)}`, `${visible(reason)}  ${place(position, colors)}`))
  if (others.length > shown.length) lines.push(row(colors, '', colors.dim(`and ${others.length - shown.length} more (--json has all)`), ''))
  return lines
}

function pipelineLines ({ pipeline, removed }: Explanation, colors: Colors): string[] {
  const labels = pipeline.map(({ plugin, id }) => visible(id === plugin ? plugin : `${plugin} (${id})`))
  const width = Math.max(0, ...labels.map(({ length }) => length))
  const lines = pipeline.map(({ stage, level, locked, position, replaces }, i) => {
    const notes = [`from the ${level}'s list`, ...(locked ? ['locked'] : []), ...(replaces === null ? [] : [`in place of ${placeOf(replaces)}`])].join(', ')
    return row(colors, i === 0 ? 'pipeline' : '', `${String(i + 1).padStart(2)} ${stage.padEnd(12)} ${colors.bold((labels[i] ?? '').padEnd(width))}`, `${place(position, colors)}  ${visible(notes)}`)
  })
  if (lines.length === 0) lines.push(row(colors, 'pipeline', colors.dim('no steps'), ''))
  for (const { plugin, id, position } of removed) lines.push(row(colors, '', `${colors.dim('removed')} ${visible(id === plugin ? plugin : `${plugin} (${id})`)}`, place(position, colors)))
  return lines
}

function refusalLines ({ refusal, project, projects, request, routes, pipeline, run }: Explanation, colors: Colors): string[] {
  if (refusal === null) return []
  const { status, code, message, reason, allow } = refusal
  const lines = [row(colors, 'answer', colors.red(`${status} ${code}`), visible(`${message}${reason === null ? '' : ` (${reason})`}`))]
  if (run === null && request !== null && pipeline.some(({ hooks }) => hooks.includes('request'))) lines.push(row(colors, '', 'unless one of the steps answers before, as cors does a preflight (--run tells)', ''))
  if (allow !== null) lines.push(row(colors, '', visible(`this address takes ${allow}`), ''))
  else if (status === 404 && request !== null && project !== null) lines.push(row(colors, '', visible(`no route of the project matches${routes[0] === undefined ? '' : `; the closest is ${routes[0].name}`}`), ''))
  else if (status === 404 && request !== null) {
    const near = projects.filter(({ reason }) => !reason.startsWith('host: is none'))[0]
    lines.push(row(colors, '', visible(near === undefined ? `no project has the host ${request.host}${projects[0] === undefined ? '' : `; the closest is that of ${projects[0].name}`} (-H 'host: …' or a whole URL names another)` : `the host is that of ${near.name}, the path below no basePath`), ''))
  }
  return lines
}

function runLines ({ decisions, answer, forwarded, durationMs, upstreamMs, errorCode, errorReason, log }: ExplainedRun, { pipeline }: Explanation, colors: Colors): string[] {
  const { dim, green, yellow, red, bold } = colors
  const lines = decisions.map(({ plugin, id, hook, decision, durationMs: took }, i) => row(
    colors, i === 0 ? 'run' : '', `${hook.padEnd(8)} ${visible(id === plugin ? plugin : `${plugin} (${id})`)}`, `${decision === 'next' ? decision : bold(visible(decision))}  ${dim(`${took.toFixed(2)} ms`)}`
  ))
  if (decisions.length === 0) lines.push(row(colors, 'run', dim('no step had anything to decide'), ''))
  const asked = new Set(decisions.filter(({ hook }) => hook === 'request').map(({ plugin, id }) => `${plugin} ${id}`))
  const unreached = pipeline.filter(({ plugin, id, hooks }) => hooks.includes('request') && !asked.has(`${plugin} ${id}`)).map(({ plugin, id }) => id === plugin ? plugin : `${plugin} (${id})`)
  if (unreached.length > 0) lines.push(row(colors, '', dim('not reached'), visible(unreached.join(', '))))
  if (forwarded !== null) lines.push(row(colors, 'upstream', visible(`${forwarded.method} ${forwarded.target}${forwarded.path}${forwarded.query === '' ? '' : `?${forwarded.query}`}`), upstreamMs === null ? red('gave no answer') : dim(`answered in ${upstreamMs.toFixed(1)} ms`)))
  for (const { level, message, fields } of log) lines.push(row(colors, 'log', `${level === 'error' ? red(level) : level} ${visible(message)}`, dim(visible(JSON.stringify(fields)))))
  const paint = answer.status < 400 ? green : answer.status < 500 ? yellow : red
  const error = errorCode === null ? '' : visible(`${errorCode}${errorReason === null ? '' : ` (${errorReason})`}`)
  lines.push(row(colors, 'answer', paint(String(answer.status)), `${error === '' ? '' : `${error}  `}${dim(`in ${durationMs.toFixed(1)} ms`)}`))
  for (const [name, value] of answer.headers) lines.push(row(colors, '', `${dim(visible(name))}: ${visible(value)}`, ''))
  lines.push(row(colors, '', dim(`${answer.bytes} bytes of body`), answer.complete ? '' : red('cut off before the end')))
  return lines
}
