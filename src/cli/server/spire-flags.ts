/**
 * Flags as SPIRE's commands take them (`-spiffeID spiffe://…`, `-admin=true`), so that scripts move over: each becomes the one of
 * the same meaning here (`--spiffe-id`). spire-behaviour 1.3.
 */
import { SpindleError } from '../../runtime/errors.ts'

/** Commands that SPIRE's server or agent has too, by that name or another. */
const COMMANDS = new Set([
  'agent',
  'bundle',
  'debug',
  'entry',
  'healthcheck',
  'jwt',
  'localauthority',
  'logger',
  'server',
  'token',
  'upstreamauthority',
  'validate',
  'workload',
  'x509',
])

/** Flags without a value; SPIRE's may be given one. */
const SWITCHES = new Set([
  'admin',
  'disableX509SVIDPrefetch',
  'downstream',
  'dryRun',
  'jwtSVIDIncludeJTI',
  'node',
  'shallow',
  'silent',
  'storeSVID',
  'verbose',
])

/** Go takes two hyphens for one. */
const FLAG = /^(--?)([a-z][A-Za-z0-9]+)(?:=(.*))?$/s

/**
 * The arguments of `spindle` with SPIRE's flags as ours; what is none of them stays as it is.
 * @throws SpindleError `usage`
 */
export function withoutSpireFlags(args: readonly string[]): readonly string[] {
  const [command = ''] = args
  if (!COMMANDS.has(command)) return args
  const end = args.indexOf('--')
  const own = end === -1 ? args : args.slice(0, end)
  const ours = own.flatMap((arg, index) => {
    const flag = flagOf(own[index - 1] ?? '', command)
    return flag?.rewrite !== undefined && flag.value === undefined
      ? flag.rewrite(arg)
      : translated(arg, command)
  })
  return [...ours, ...args.slice(own.length)]
}

interface Flag {
  readonly name: string
  /** undefined: what comes next, if it has one. */
  readonly value: string | undefined
  /** Of flags whose values are written in other ways here. */
  readonly rewrite: ((value: string) => readonly string[]) | undefined
}

function flagOf(arg: string, command: string): Flag | undefined {
  const [, hyphens, name, value] = FLAG.exec(arg) ?? []
  if (name === undefined) return undefined
  // With two hyphens it is our own flag, which takes one audience a word.
  const isList = name === 'audience' && command === 'workload' && hyphens === '-'
  return { name, value, rewrite: isList ? (text) => text.split(',') : REWRITES.get(name) }
}

const REWRITES: ReadonlyMap<string, Flag['rewrite']> = new Map([
  ['format', (value: string) => [value.toLowerCase()]],
  // What is printed at SPIRE's `pretty` is printed at `table` here.
  ['output', (value: string) => [value.replace(/^pretty(?:print)?$/i, 'table').toLowerCase()]],
])

function translated(arg: string, command: string): readonly string[] {
  const flag = flagOf(arg, command)
  if (flag === undefined) return [arg]
  const { name, value, rewrite } = flag
  const written = `--${name === 'socketPath' ? socketFlag(command) : kebab(name)}`
  if (value === undefined) return [written]
  if (!SWITCHES.has(name)) return [written, ...(rewrite?.(value) ?? [value])]
  if (TRUE.test(value)) return [written]
  if (FALSE.test(value)) return []
  throw new SpindleError('usage', `-${name}=${value}: allowed: true or false`)
}

const socketFlag = (command: string): string =>
  command === 'workload' ? 'socket' : 'server-socket'

/** What Go takes for true and for false. */
const TRUE = /^(?:1|t|T|true|TRUE|True)$/
const FALSE = /^(?:0|f|F|false|FALSE|False)$/

/** `x509SVIDTTL` → `x509-svid-ttl` */
function kebab(name: string): string {
  return name
    .replaceAll(/([a-z0-9])(?=[A-Z])/g, '$1-')
    .replaceAll(/(SVID)(?=[A-Z])/g, '$1-')
    .toLowerCase()
}
