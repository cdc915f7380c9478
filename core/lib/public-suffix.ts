// Not the whole list (10 000 rules that change weekly): what is common. A suffix that is missing here still wants its TXT record, which only who
// runs the suffix can set.
const SECOND_LEVELS = new Set(['ac', 'co', 'com', 'edu', 'gob', 'gouv', 'gov', 'govt', 'mil', 'net', 'org'])

const SUFFIXES = new Set([
  // Of registries, beside those above.
  'ltd.uk', 'me.uk', 'nhs.uk', 'plc.uk', 'police.uk', 'sch.uk', 'asn.au', 'id.au', 'geek.nz', 'gen.nz', 'iwi.nz', 'kiwi.nz', 'maori.nz', 'school.nz',
  'ad.jp', 'ed.jp', 'go.jp', 'gr.jp', 'lg.jp', 'ne.jp', 'or.jp', 'go.kr', 'ne.kr', 'or.kr', 're.kr', 'firm.in', 'gen.in', 'ind.in', 'nic.in', 'or.at', 'gv.at',
  'art.br', 'blog.br', 'eco.br', 'ind.br', 'web.za', 'law.za', 'gen.tr', 'web.tr', 'bel.tr', 'k12.il', 'muni.il', 'or.id', 'go.id', 'web.id', 'in.th', 'or.th', 'go.th',
  // Of services that give names to their customers.
  'amplifyapp.com', 'appspot.com', 'azurewebsites.net', 'blogspot.com', 'cloudfront.net', 'deno.dev', 'firebaseapp.com', 'fly.dev', 'github.io', 'gitlab.io', 'glitch.me',
  'herokuapp.com', 'netlify.app', 'ngrok.app', 'ngrok.io', 'onrender.com', 'pages.dev', 'repl.co', 'run.app', 'surge.sh', 'vercel.app', 'web.app', 'workers.dev'
])

/** Whether others register names directly below this one (lower case, ASCII), as below `co.uk`. Knows the common ones. */
export function isPublicSuffix (name: string): boolean {
  if (SUFFIXES.has(name)) return true
  const [second = '', top = '', more] = name.split('.')
  return more === undefined && top.length === 2 && SECOND_LEVELS.has(second)
}
