import { DEMO } from './demo.js'
import { LAMBDA } from './lambda.js'
import { ORDERS } from './orders.js'
import { PROXY } from './proxy.js'
import type { ProjectTemplate } from './template.js'

/** The templates of `sluice init`; the first is taken where none is named. */
export const TEMPLATES: readonly [ProjectTemplate, ...ProjectTemplate[]] = [DEMO, PROXY, ORDERS, LAMBDA]
