import { formatFinding, formatPath, GatewayError, type Finding } from '../../core/errors.js'

const MAX_FINDINGS = 1000

/** Findings for people (`text`, a line as `sluice check` prints it) and for programs; the first thousand. */
export function shownFindings (findings: readonly Finding[]): object[] {
  return findings.slice(0, MAX_FINDINGS).map((finding) => ({
    text: formatFinding(finding),
    path: formatPath(finding.path),
    message: finding.message,
    remedy: finding.remedy,
    position: finding.position ?? null
  }))
}

/** The refusal of a configuration, with every finding. */
export function refusedConfig (message: string, findings: readonly Finding[]): GatewayError {
  return new GatewayError('VALIDATION_ERROR', { message, details: { reason: 'config_refused', findingCount: findings.length, findings: shownFindings(findings) } })
}
