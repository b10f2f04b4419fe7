import type {
  DescMessage,
  DescMethodUnary,
  MessageInitShape,
  MessageShape,
} from '@bufbuild/protobuf'
import type {
  AuthorityState,
  GetX509AuthorityStateResponse,
} from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import { LocalAuthority } from '#spire/api/server/localauthority/v1/localauthority_pb.js'
import type { Io } from '../../io.ts'
import { askServer } from '../ask.ts'
import type { AuthorityKind, Step } from '../given.ts'
import type { ServerOptions } from '../options.ts'
import { goInstant, lines } from '../text.ts'

const NAMES: Readonly<Record<AuthorityKind, string>> = { x509: 'X.509', jwt: 'JWT' }
const { method } = LocalAuthority

export function showAuthorities(
  io: Io,
  kind: AuthorityKind,
  options: ServerOptions,
): Promise<void> {
  const text = (state: States): string => statesText(state, kind)
  const request = {}
  return kind === 'x509'
    ? askServer(io, options, { method: method.getX509AuthorityState, request, text })
    : askServer(io, options, { method: method.getJWTAuthorityState, request, text })
}

type States = Pick<GetX509AuthorityStateResponse, 'active' | 'prepared' | 'old'>

function statesText(states: States, kind: AuthorityKind): string {
  const name = NAMES[kind]
  return (['active', 'prepared', 'old'] as const)
    .map((slot) => {
      const head = `${slot.charAt(0).toUpperCase()}${slot.slice(1)} ${name} authority:\n`
      const state = states[slot]
      if (state === undefined) return `${head}  No ${slot} ${name} authority found\n`
      return `${head}${stateText(state)}${kind === 'x509' ? upstreamText(state) : ''}`
    })
    .join('\n')
}

const stateText = ({ authorityId, expiresAt }: AuthorityState): string =>
  lines(`  Authority ID: ${authorityId}`, `  Expires at: ${goInstant(expiresAt)}`)

const upstreamText = ({ upstreamAuthoritySubjectKeyId: id }: AuthorityState): string =>
  id === ''
    ? '  Upstream authority ID: No upstream authority\n'
    : `  Upstream authority Subject Key ID: ${id}\n`

type Take = (
  io: Io,
  options: ServerOptions & { readonly authorityId?: string },
  text: (state: AuthorityState | undefined) => string,
) => Promise<void>

/** A request has the authority's id alone, or nothing, as that of prepare. */
function taking<I extends DescMessage, O extends DescMessage>(
  of: DescMethodUnary<I, O>,
  taken: (answer: MessageShape<O>) => AuthorityState | undefined,
): Take {
  return (io, options, text) =>
    askServer(io, options, {
      method: of,
      request: { authorityId: options.authorityId ?? '' } as unknown as MessageInitShape<I>,
      text: (answer) => text(taken(answer)),
    })
}

const STEPS: Readonly<Record<AuthorityKind, Readonly<Record<Step, Take>>>> = {
  x509: {
    prepare: taking(method.prepareX509Authority, (answer) => answer.preparedAuthority),
    activate: taking(method.activateX509Authority, (answer) => answer.activatedAuthority),
    taint: taking(method.taintX509Authority, (answer) => answer.taintedAuthority),
    revoke: taking(method.revokeX509Authority, (answer) => answer.revokedAuthority),
  },
  jwt: {
    prepare: taking(method.prepareJWTAuthority, (answer) => answer.preparedAuthority),
    activate: taking(method.activateJWTAuthority, (answer) => answer.activatedAuthority),
    taint: taking(method.taintJWTAuthority, (answer) => answer.taintedAuthority),
    revoke: taking(method.revokeJWTAuthority, (answer) => answer.revokedAuthority),
  },
}

const DONE: Readonly<Record<Step, string>> = {
  prepare: 'Prepared',
  activate: 'Activated',
  taint: 'Tainted',
  revoke: 'Revoked',
}

export function takeStep(
  io: Io,
  { kind, step }: { readonly kind: AuthorityKind; readonly step: Step },
  options: ServerOptions & { readonly authorityId?: string },
): Promise<void> {
  const head = `${DONE[step]} ${NAMES[kind]} authority:\n`
  return STEPS[kind][step](io, options, (state) =>
    state === undefined ? head : head + stateText(state),
  )
}

export function takeUpstreamStep(
  io: Io,
  step: 'taint' | 'revoke',
  options: ServerOptions & { readonly subjectKeyId: string },
): Promise<void> {
  const request = { subjectKeyId: options.subjectKeyId }
  const text = ({ upstreamAuthoritySubjectKeyId: id }: UpstreamAnswer): string =>
    lines(`${DONE[step]} X.509 upstream authority:`, `  Subject Key ID: ${id}`)
  return step === 'taint'
    ? askServer(io, options, { method: method.taintX509UpstreamAuthority, request, text })
    : askServer(io, options, { method: method.revokeX509UpstreamAuthority, request, text })
}

interface UpstreamAnswer {
  readonly upstreamAuthoritySubjectKeyId: string
}
