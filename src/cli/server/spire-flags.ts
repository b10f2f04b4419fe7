/**
 * Flags as SPIRE's commands take them (`-spiffeID spiffe://…`, `-admin=true`), so that scripts move over: each becomes the one of
 * the same meaning here (`--spiffe-id`). spire-behaviour 1.3.
 */

/** Commands that SPIRE's server has too. */
const COMMANDS = new Set([
  'agent',
  'bundle',
  'debug',
  'entry',
  'federation',
  'healthcheck',
  'jwt',
  'localauthority',
  'logger',
  'token',
  'upstreamauthority',
  'validate',
  'x509',
])

/** Those whose name here is another. */
const RENAMED: Readonly<Record<string, string>> = { socketPath: 'server-socket' }

/** Flags without a value; SPIRE's may be given one, `true` or `false`. */
const SWITCHES = new Set([
  'admin',
  'banned',
  'canReattest',
  'disableX509SVIDPrefetch',
  'downstream',
  'dryRun',
  'jwtSVIDIncludeJTI',
  'node',
  'shallow',
  'storeSVID',
  'verbose',
])
/** Of those, the ones that ask for either: they keep their value. */
const EITHER = new Set(['banned', 'canReattest'])

/** Go takes two hyphens for one. */
const FLAG = /^--?([a-z][A-Za-z0-9]+)(?:=(.*))?$/s

/** The arguments of `spindle` with SPIRE's flags as ours; what is none of them stays as it is. */
export function withoutSpireFlags(args: readonly string[]): readonly string[] {
  if (!COMMANDS.has(args[0] ?? '')) return args
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  const ours = own.flatMap((arg, index) =>
    arg === 'pretty' && /^-?-output$/.test(own[index - 1] ?? '') ? ['table'] : translated(arg),
  )
  return [...ours, ...args.slice(own.length)]
}

function translated(arg: string): readonly string[] {
  const [, name, value] = FLAG.exec(arg) ?? []
  if (name === undefined) return [arg]
  const flag = `--${RENAMED[name] ?? kebab(name)}`
  // What is printed at SPIRE's `pretty` is printed at `table` here.
  if (name === 'output' && value !== undefined) return [flag, value === 'pretty' ? 'table' : value]
  if (value === undefined) return [flag]
  if (!SWITCHES.has(name) || EITHER.has(name)) return [flag, value]
  if (value === 'true') return [flag]
  return value === 'false' ? [] : [flag, value]
}

/** `x509SVIDTTL` → `x509-svid-ttl` */
function kebab(name: string): string {
  return name
    .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1-')
    .replaceAll(/(SVID)(?=[A-Z])/g, '$1-')
    .toLowerCase()
}
