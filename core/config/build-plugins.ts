import { Type } from 'typebox'
import type { ConfigPath, Finding } from '../errors.js'
import { closest } from '../lib/closest.js'
import { Duration } from '../lib/schema-types.js'
import type { Plugin } from '../plugin.js'
import { STAGES, type PluginUse, type Stage } from '../route.js'
import { readDuration, resolveFile, type BuildContext } from './build-context.js'
import { DEFAULTS } from './defaults.js'
import { found, listOf } from './describe-schema.js'
import { normalForm } from './normal-form.js'
import { isMap, type Raw, type RawMap } from './raw.js'
import type { Originals } from './references.js'
import { ENTRY_KEYS } from './registry.js'
import { ID_PATTERN } from './schema-fields.js'
import { validateLanguage, validatePluginConfig } from './validate.js'

/** The keys of a list entry beside the plugin's name. */
export const EntryKeys = {
  id: Type.Optional(Type.String({ title: 'an id', pattern: ID_PATTERN, examples: ['burst'], description: 'Tells two uses of one plugin apart.' })),
  stage: Type.Optional(Type.Enum([...STAGES], { description: 'The stage that it runs in, where the plugin allows several.' })),
  locked: Type.Optional(Type.Boolean({ default: false, description: 'Forbids inner lists to change or remove it.' })),
  timeout: Type.Optional(Duration({ default: DEFAULTS.pluginTimeout, examples: ['2s'], description: 'How long one step of it may take.' }))
}

const EntrySchema = Type.Object({ ...EntryKeys, use: Type.Optional(Type.String({ title: 'a file', minLength: 1, examples: ['./plugins/mine.ts'] })) })
const ENTRY_KEY_SET: ReadonlySet<string> = new Set(ENTRY_KEYS)

interface RawEntry { id?: string, stage?: Stage, locked?: boolean, timeout?: string, use?: string }

/** The uses of one `plugins` list, with validated configs. What is wrong becomes findings, and the entry is left out. */
export function buildPlugins (list: readonly Raw[], at: ConfigPath, context: BuildContext): PluginUse[] {
  const uses: PluginUse[] = []
  for (let index = 0; index < list.length; index++) {
    const use = buildUse(list[index] as Raw, [...at, index], context)
    if (use !== null) uses.push(use)
  }
  return uses
}

function buildUse (entry: Raw, at: ConfigPath, context: BuildContext): PluginUse | null {
  if (typeof entry === 'string') return buildNamed(entry, null, {}, at, at, context)
  if (!isMap(entry)) {
    context.findings.add({ path: at, message: `expected a plugin, found ${found(entry, null, undefined)}`, remedy: 'write a name, or { name: { … } }' })
    return null
  }
  if (validateLanguage(EntrySchema, entry, { at, originals: context.originals, findings: context.findings }).size > 0) return null
  const keys = entry as RawEntry
  const names = Object.keys(entry).filter((key) => !ENTRY_KEY_SET.has(key))
  if (keys.use !== undefined) {
    for (const name of names) context.findings.add({ path: [...at, name], onKey: true, message: `unknown key "${name}" beside "use"`, remedy: `an entry with "use" has the keys ${listOf([...ENTRY_KEYS])}` })
    return names.length > 0 ? null : buildAuthored(keys.use, entry, keys, at, context)
  }
  const [name, second] = names
  if (name === undefined) {
    context.findings.add({ path: at, message: 'this entry names no plugin', remedy: 'write { name: { … } }, or { use: ./file.ts }' })
    return null
  }
  if (second !== undefined) {
    const known = (one: string): boolean => context.registry.has(one)
    const stray = names.find((one) => !known(one))
    context.findings.add(names.filter(known).length === 1 && stray !== undefined
      ? { path: [...at, stray], onKey: true, ...unknownEntryKey(stray) }
      : { path: [...at, second], onKey: true, message: `this entry names more than one plugin: ${listOf(names)}`, remedy: 'begin each plugin with its own "-"' })
    return null
  }
  if (Object.hasOwn(entry, 'config')) {
    context.findings.add({ path: [...at, 'config'], onKey: true, message: '"config" stands only beside "use"', remedy: `write { ${name}: { … } }` })
    return null
  }
  return buildNamed(name, entry[name] as Raw, keys, at, [...at, name], context)
}

function unknownEntryKey (key: string): { message: string, remedy: string } {
  const near = closest(key, ENTRY_KEYS)
  return { message: `unknown key "${key}"`, remedy: near === null ? `beside the plugin an entry has the keys ${listOf([...ENTRY_KEYS])}` : `did you mean "${near}"?` }
}

function buildNamed (name: string, value: Raw, keys: RawEntry, at: ConfigPath, place: ConfigPath, context: BuildContext): PluginUse | null {
  const plugin = context.registry.get(name)
  if (value === false) {
    const authored = [...context.authorPlugins.values()].some((one) => one.plugin.name === name)
    if (plugin !== undefined || authored) return finish(name, null, keys, true, {}, at, context)
  }
  if (plugin === undefined) {
    const near = closest(name, context.registry.keys())
    const remedy = near !== null ? `did you mean "${near}"?` : `there are ${listOf([...context.registry.keys()].sort())}; your own is named by file: { use: ./plugins/${/^[a-z][a-z0-9-]*$/.test(name) ? name : 'mine'}.ts }`
    context.findings.add({ path: place, onKey: true, message: `unknown plugin "${name}"`, remedy })
    return null
  }
  const config = readConfig(plugin, value === true ? null : value, place, context)
  return config === null ? null : finish(name, null, keys, false, config, at, context)
}

function buildAuthored (file: string, entry: RawMap, keys: RawEntry, at: ConfigPath, context: BuildContext): PluginUse | null {
  const absolute = resolveFile(file, at, context)
  const author = context.authorPlugins.get(absolute)
  // That it could not be loaded is a finding already.
  if (author === undefined) return null
  const config = readConfig(author.plugin, entry.config ?? null, Object.hasOwn(entry, 'config') ? [...at, 'config'] : at, context)
  return config === null ? null : finish(author.plugin.name, absolute, keys, false, config, at, context)
}

function finish (name: string, use: string | null, keys: RawEntry, remove: boolean, config: Record<string, unknown>, at: ConfigPath, context: BuildContext): PluginUse {
  return {
    name,
    id: keys.id ?? name,
    hasId: keys.id !== undefined,
    use,
    remove,
    config,
    stage: keys.stage ?? null,
    locked: keys.locked ?? false,
    timeoutMs: readDuration(keys.timeout ?? DEFAULTS.pluginTimeout, [...at, 'timeout'], context),
    at
  }
}

/** A plugin's config, validated and in its normal form; a copy, because the raw value belongs to the cache. Null with findings. */
function readConfig (plugin: Plugin, value: Raw, at: ConfigPath, context: BuildContext): Record<string, unknown> | null {
  const copy = value === null ? {} : copyRaw(value, context.originals)
  if (!validatePluginConfig(plugin.config, copy, { at, originals: context.originals, findings: context.findings })) return null
  const config = normalForm(plugin.config, copy)
  const wrong = checkConfig(plugin, config)
  for (const finding of wrong) context.findings.add({ ...finding, path: [...at, ...finding.path], related: finding.related?.map((other) => ({ ...other, path: [...at, ...other.path] })) })
  return wrong.length === 0 ? config as Record<string, unknown> : null
}

/** An author's check is code like any other: that it throws is a finding, not the end of the load. */
function checkConfig (plugin: Plugin, config: unknown): readonly Finding[] {
  try {
    return plugin.check(config)
  } catch (error) {
    return [{ path: [], message: `the check of plugin "${plugin.name}" threw: ${error instanceof Error ? error.message : String(error)}`, remedy: 'mend the plugin' }]
  }
}

function copyRaw (value: Raw, originals: Originals): Raw {
  if (typeof value !== 'object' || value === null) return value
  let copy: Raw[] | RawMap
  if (Array.isArray(value)) copy = value.map((one) => copyRaw(one, originals))
  else {
    copy = {}
    for (const key of Object.keys(value)) copy[key] = copyRaw(value[key] as Raw, originals)
  }
  const known = originals.get(value)
  if (known !== undefined) originals.set(copy, known)
  return copy
}
