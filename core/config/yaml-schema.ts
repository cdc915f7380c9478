/**
 * The YAML that files are read as: the core schema of YAML 1.2.2 (section 10.3.2) exactly, with `<<` merge keys and nothing else.
 * No dates, binaries or sets, and no numbers that the `yaml` package would take for text: both parsers have to agree.
 */
import { FAILSAFE_SCHEMA, Type } from 'js-yaml'

const NULLS = new Set(['', '~', 'null', 'Null', 'NULL'])
const TRUES = new Set(['true', 'True', 'TRUE'])
const FALSES = new Set(['false', 'False', 'FALSE'])
const INTEGER = /^(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$/
const FLOAT = /^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$/

/** Most plain scalars are words: one look at the first character spares them the expressions. */
function mayBeNumber (text: string): boolean {
  const first = text.charCodeAt(0)
  return (first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e
}

function toFloat (text: string): number {
  if (/nan$/i.test(text)) return NaN
  if (/inf$/i.test(text)) return text.startsWith('-') ? -Infinity : Infinity
  return Number(text)
}

const tag = (name: string): string => `tag:yaml.org,2002:${name}`

/** The schema for `load` of js-yaml. */
export const YAML_SCHEMA = FAILSAFE_SCHEMA.extend({
  implicit: [
    new Type(tag('null'), { kind: 'scalar', resolve: (text: string | null) => text === null || NULLS.has(text), construct: () => null }),
    new Type(tag('bool'), { kind: 'scalar', resolve: (text: string | null) => text !== null && (TRUES.has(text) || FALSES.has(text)), construct: (text: string) => TRUES.has(text) }),
    new Type(tag('int'), { kind: 'scalar', resolve: (text: string | null) => text !== null && mayBeNumber(text) && INTEGER.test(text), construct: Number }),
    new Type(tag('float'), { kind: 'scalar', resolve: (text: string | null) => text !== null && mayBeNumber(text) && FLOAT.test(text), construct: toFloat }),
    new Type(tag('merge'), { kind: 'scalar', resolve: (text: string | null) => text === '<<' || text === null })
  ]
})
