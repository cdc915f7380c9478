/** What ip-restriction costs per request, as lists grow. Run: node dist/bench/micro/plugins/ip-restriction.js */
import ipRestriction from '../../../plugins/ip-restriction/index.js'
import { benchRequest, instanceOf } from './plugin-hooks.js'

for (const size of [1, 100, 10_000]) {
  const deny = Array.from({ length: size }, (_, n) => `10.${n >>> 8}.${n & 255}.0/24`)
  benchRequest(`request, allow 1, deny ${size}`, await instanceOf(ipRestriction, { allow: ['192.0.2.0/24'], deny }), {})
}
