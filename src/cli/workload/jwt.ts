/** `spindle workload jwt` and `validate`. */
import { systemClock } from '../../runtime/clock.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { parseSpiffeId } from '../../spiffe/spiffe-id.ts'
import type { FetchedJwt } from '../../workload/jwt.ts'
import type { Io } from '../io.ts'
import type { Cell } from '../output.ts'
import { fromNowText, instantText, record, renderPlain } from '../output.ts'
import type { AskWorkload } from './client.ts'
import { askWorkload, tellNotes } from './client.ts'

export async function showJwt(
  io: Io,
  options: AskWorkload & {
    readonly audience: readonly string[]
    readonly spiffeId?: string
    readonly raw: boolean
  },
): Promise<void> {
  const { audience } = options
  const request =
    options.spiffeId === undefined
      ? { audience }
      : { audience, spiffeId: parseSpiffeId(options.spiffeId) }
  const { svids, notes } = await askWorkload(io, options, (client) => client.fetchJwt(request))
  if (options.raw) io.out(`${svids[0].token}\n`)
  else if (options.output === 'table')
    io.out(svids.map((svid) => jwtRecord(svid, systemClock.now())).join('\n'))
  else io.out(renderPlain(options.output, { svids: svids.map(jwtJson) }))
  tellNotes(io, notes)
}

function jwtRecord(
  { spiffeId, hint, audience, expiresAt, token }: FetchedJwt,
  now: number,
): string {
  return record([
    ['spiffe id', spiffeId],
    ['hint', hint],
    ['audience', audience.join(', ')],
    ['expires', fromNowText(expiresAt, now)],
    ['token', token],
  ])
}

function jwtJson({ spiffeId, hint, audience, expiresAt, token }: FetchedJwt): object {
  return { spiffeId, hint, audience, expiresAt: instantText(expiresAt), token }
}

export async function showValidated(
  io: Io,
  options: AskWorkload & { readonly audience: string; readonly svid?: string },
): Promise<void> {
  const { audience } = options
  const svid = (options.svid ?? (await io.input?.()) ?? '').trim()
  if (svid === '')
    throw new SpindleError('usage', 'no JWT-SVID: give it on standard input, or with --svid')
  const { spiffeId, claims } = await askWorkload(io, options, (client) =>
    client.validateJwt({ audience, svid }),
  )
  if (options.output !== 'table') io.out(renderPlain(options.output, { spiffeId, claims }))
  else io.out(record([['spiffe id', spiffeId], ...Object.entries(claims).map(claimRow)]))
}

function claimRow([name, value]: readonly [string, unknown]): readonly [string, Cell] {
  const isTime = ['exp', 'iat', 'nbf'].includes(name) && typeof value === 'number'
  return [name, isTime ? instantText(value * 1000) : JSON.stringify(value)]
}
