import { test, type Test } from 'tap'
import { Type } from 'typebox'
import { createChecks } from '../../bin/checks.js'
import { buildRegistry } from '../../core/config/registry.js'
import { definePlugin, type Plugin, type PluginInstance, type Requirement } from '../../core/plugin.js'
import { orderSteps } from '../../core/pipeline/order.js'
import type { Stage } from '../../core/route.js'
import { use } from '../fixtures/pipeline.js'
import { loadFiles } from '../fixtures/load-config.js'

const none = Type.Object({}, { additionalProperties: false })

/** A plugin with slots that only this test knows. */
function slotted (name: string, stage: Stage | readonly Stage[], provides: readonly string[], requires: readonly (string | readonly string[])[]): Plugin {
  const plugin = definePlugin({ name, stage, config: none, create: (): PluginInstance => ({}) })
  return { ...plugin, provides: provides as Plugin['provides'], requires: requires as readonly Requirement[] }
}

const REGISTRY = buildRegistry([
  slotted('key', 'authenticate', ['consumer'], []),
  slotted('token', 'authenticate', ['claims'], []),
  slotted('late', 'authorize', ['plan'], []),
  slotted('acl', ['authorize', 'limit'], [], ['consumer']),
  slotted('early', 'edge', [], ['consumer']),
  slotted('either', 'authorize', [], [['consumer', 'claims']]),
  slotted('maybe', 'edge', [], ['consumer?']),
  slotted('planned', ['authenticate', 'limit'], [], ['plan']),
  slotted('lonely', 'limit', [], ['nobody']),
  definePlugin({ name: 'free', stage: ['edge', 'transform'], config: Type.Object({ most: Type.Integer({ default: 1, maximum: 9 }), list: Type.Array(Type.String(), { default: [] }) }, { additionalProperties: false }), check: ({ list }) => list.flatMap((one, index) => one === 'bad' ? [{ path: ['list', index], message: '"bad" is not allowed', remedy: 'take it away' }] : []), create: () => ({}) })
])

/** Findings of a configuration whose `plugins` lists are these, without the path in front of the message. */
async function findings (t: Test, gateway: string, project: string, route: string): Promise<string[]> {
  const yaml = `plugins: ${gateway}\nprojects:\n  p:\n    plugins: ${project}\n    routes: [ { match: { path: / }, plugins: ${route} } ]\n`
  const { lines } = await loadFiles(t, { 'gateway.yaml': yaml }, { registry: REGISTRY, checks: createChecks(REGISTRY) })
  return lines.map((line) => line.replace(/^gateway\.yaml:(\d+:\d+) \S+: /, '$1 '))
}

test('compile checks: what an order of plugins can break is told with its place and what to do', async (t) => {
  for (const [gateway, project, route, expected] of [
    // What is right.
    ['[ key ]', '[ acl ]', '[]', []],
    ['[ acl ]', '[]', '[ key ]', []],
    ['[]', '[]', '[ acl, key ]', []],
    ['[]', '[]', '[ either, token ]', []],
    ['[ maybe ]', '[]', '[]', []],
    ['[]', '[]', '[ late, { planned: {}, stage: limit } ]', []],
    ['[]', '[]', '[ free, { free: {}, id: two } ]', []],
    ['[ free ]', '[ { free: { most: 2 } } ]', '[ free: false ]', []],
    // A slot that nobody fills, or only somebody behind.
    ['[]', '[]', '[ acl ]', ['5:48 plugin "acl" needs "consumer", which no plugin before it fills (add "key" before it)']],
    ['[ acl ]', '[]', '[]', ['1:12 plugin "acl" needs "consumer", which no plugin before it fills (add "key" before it)']],
    ['[]', '[]', '[ either ]', ['5:48 plugin "either" needs "consumer" or "claims", which no plugin before it fills (add "key" or "token" before it)']],
    ['[]', '[]', '[ lonely ]', ['5:48 plugin "lonely" needs "nobody", which no plugin before it fills (add a plugin that provides "nobody")']],
    ['[ key ]', '[]', '[ early ]', ['5:48 plugin "early" needs "consumer", which "key" fills only after it (move "early" to stage "authenticate" or later) see gateway.yaml:1:12']],
    ['[]', '[]', '[ planned, late ]', ['5:48 plugin "planned" needs "plan", which "late" fills only after it (move "planned" to stage "authorize" or later) see gateway.yaml:5:57']],
    ['[ key ]', '[ acl ]', '[ key: false ]', ['4:16 plugin "acl" needs "consumer", which no plugin before it fills (add "key" before it)']],
    // Stages.
    ['[]', '[]', '[ { free: {}, stage: before } ]', ['5:67 expected one of "edge", "authenticate", "authorize", "limit", "validate", "transform", "cache", "upstream", found the text "before" (write "edge" or "authenticate" or "authorize" or "limit" or "validate" or "transform" or "cache" or "upstream")']],
    ['[]', '[]', '[ { free: {}, stage: limit } ]', ['5:67 plugin "free" does not run in stage "limit" (choose "edge" or "transform", or leave stage out)']],
    // Twice.
    ['[]', '[]', '[ free, free ]', ['5:54 plugin "free" stands twice in one list (give each use its own id, or merge them) see gateway.yaml:5:48']],
    ['[ free, { free: {}, id: free } ]', '[]', '[]', ['1:18 plugin "free" stands twice in one list with the id "free" (give each use its own id, or merge them) see gateway.yaml:1:12']],
    ['[]', '[ { free: {}, id: a }, { free: {}, id: a } ]', '[]', ['4:37 plugin "free" stands twice in one list with the id "a" (give each use its own id, or merge them) see gateway.yaml:4:16']],
    // Locks and removals.
    ['[ { free: {}, locked: true } ]', '[]', '[ free ]', ['5:48 plugin "free" is locked by the gateway\'s list and can not be changed here (take this entry away, or the `locked: true` of the outer one) see gateway.yaml:1:12']],
    ['[ { free: {}, locked: true } ]', '[ free: false ]', '[]', ['4:16 plugin "free" is locked by the gateway\'s list and can not be removed here (take this entry away, or the `locked: true` of the outer one) see gateway.yaml:1:12']],
    ['[]', '[ { free: {}, locked: true } ]', '[ free ]', ['5:48 plugin "free" is locked by the project\'s list and can not be changed here (take this entry away, or the `locked: true` of the outer one) see gateway.yaml:4:16']],
    ['[]', '[]', '[ free: false ]', ['5:48 there is no plugin "free" to remove (take this entry away)']],
    ['[ free ]', '[]', '[ { free: false, id: other } ]', ['5:48 there is no plugin "free" with the id "other" to remove (take this entry away)']],
    // Configs, and names.
    ['[]', '[]', '[ { free: { most: 10 } } ]', ['5:64 expected at most 9, found the number 10 (write for example 1)']],
    ['[]', '[]', '[ { free: { mst: 1 } } ]', ['5:58 unknown key "mst" (did you mean "most"?)']],
    ['[]', '[ { free: { list: [ good, bad ] } } ]', '[]', ['4:40 "bad" is not allowed (take it away)']],
    ['[ fre ]', '[]', '[]', ['1:12 unknown plugin "fre" (did you mean "free"?)']],
    // Everything at once.
    ['[ { free: {}, locked: true } ]', '[ acl ]', '[ free, lonely, lonely ]', [
      '4:16 plugin "acl" needs "consumer", which no plugin before it fills (add "key" before it)',
      '5:48 plugin "free" is locked by the gateway\'s list and can not be changed here (take this entry away, or the `locked: true` of the outer one) see gateway.yaml:1:12',
      '5:54 plugin "lonely" needs "nobody", which no plugin before it fills (add a plugin that provides "nobody")',
      '5:62 plugin "lonely" stands twice in one list (give each use its own id, or merge them) see gateway.yaml:5:54'
    ]]
  ] as const) {
    t.same([...await findings(t, gateway, project, route)].sort(), [...expected].sort(), `${gateway} ${project} ${route}`)
  }
})

test('compile checks: stages come in their order; within one the gateway\'s, the project\'s and the route\'s plugins as they are listed', (t) => {
  const named = (stage: Stage, ...names: string[]): Plugin[] => names.map((name) => slotted(name, stage, [], []))
  const plugins = [...named('edge', 'e1', 'e2', 'e3'), ...named('limit', 'l1', 'l2'), ...named('upstream', 'u1'), slotted('free', ['edge', 'upstream'], [], [])]
  const order = (gateway: Parameters<typeof orderSteps>[0]['gateway'], project: typeof gateway, route: typeof gateway): string[] =>
    orderSteps({ gateway, project, route }, (one) => plugins.find((plugin) => plugin.name === one.name), plugins).steps.map(({ use: one, stage, level }) => `${one.id} ${stage} ${level}`)
  t.same(order([use('u1'), use('l1'), use('e1')], [use('e2')], [use('l2'), use('e3')]), ['e1 edge gateway', 'e2 edge project', 'e3 edge route', 'l1 limit gateway', 'l2 limit route', 'u1 upstream gateway'])
  t.same(order([use('e1'), use('e2')], [], [use('e1', { config: { changed: true } })]), ['e1 edge route', 'e2 edge gateway'], 'an inner one replaces the outer one in its place')
  t.same(order([use('e1'), use('e2')], [use('e1', { remove: true })], [use('e1')]), ['e2 edge gateway', 'e1 edge route'], 'one that was removed comes anew')
  t.same(order([use('free', { stage: 'upstream' })], [use('e1')], [use('free')]), ['e1 edge project', 'free upstream route'], 'its place is its stage too, unless it names another')
  t.same(order([use('free', { stage: 'upstream' })], [use('free')], [use('free', { stage: 'edge' })]), ['free edge route'])
  t.end()
})
