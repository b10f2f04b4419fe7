/** The JWT profile (SPIFFE_Workload_API 6): JWT-SVIDs of a caller, and the keys to verify those of others with. */
import { JWTBundlesResponseSchema, JWTSVIDResponseSchema } from '#spiffe/workload/workload_pb.js'
import type { JWTSVIDRequest } from '#spiffe/workload/workload_pb.js'
import { codeOf, SpindleError } from '../../../runtime/errors.ts'
import type { Entry } from '../../../registration/entry.ts'
import type { Bundle } from '../../../spiffe/bundle.ts'
import type { SpiffeId, TrustDomain } from '../../../spiffe/spiffe-id.ts'
import { parseSpiffeId, trustDomainId } from '../../../spiffe/spiffe-id.ts'
import type { IssuedJwtSvid } from '../../../authority/jwt/jwt-authority.ts'
import type { Encoded } from '../../../wire/service.ts'
import type { JwtSvids } from '../../obtain/jwt-svids.ts'
import type { Grant } from '../grant/grant.ts'
import type { Bundles } from '../secrets.ts'
import type { Answer, AnswerOf } from './answer.ts'
import { NO_OWN_BUNDLE, NOT_SETTLED, nothingGranted } from './answer.ts'
import type { Question } from './ask.ts'
import { answered, inTime, patienceFor } from './ask.ts'
import { federatedWith, isSettled, presented } from './identities.ts'
import type { Message } from './message.ts'
import { encode, MadeOf, makeMessage } from './message.ts'
import type { ProfileParts } from './x509.ts'

export function createJwtBundles(parts: ProfileParts): AnswerOf {
  const made = new MadeOf<Message>()
  const texts = new WeakMap<Bundle, Uint8Array>()
  const keysOf = (bundle: Bundle): Uint8Array => {
    const text = texts.get(bundle) ?? jwkSet(bundle)
    texts.set(bundle, text)
    return text
  }
  return (grant) => {
    const answer = jwtBundlesOf(grant, parts)
    if (answer.kind !== 'there') return answer
    const value = made.of(answer.value, () => {
      const bundles = answer.value.map((each) => [trustDomainId(each.trustDomain), keysOf(each)])
      const content = { bundles: Object.fromEntries(bundles) as Record<string, Uint8Array> }
      return makeMessage(JWTBundlesResponseSchema, content, { spiffeIds: [] })
    })
    return { ...answer, value }
  }
}

/** The bundles a caller may verify JWT-SVIDs with, the own one first; none is without a key for them. */
export function jwtBundlesOf(
  grant: Grant,
  { bundles, trustDomain, unregisteredBundles }: ProfileParts,
): Answer<readonly Bundle[]> {
  const { granted } = grant
  if (granted.entries.length === 0 && !unregisteredBundles) return nothingGranted(grant)
  const [own] = withJwt(bundles.current, [trustDomain])
  if (own === undefined) return { kind: 'pending', why: NO_OWN_BUNDLE }
  const value = [own, ...withJwt(bundles.current, federatedWith(granted))]
  return { kind: 'there', value, awaiting: grant.undecided }
}

function withJwt(bundles: Bundles, names: readonly TrustDomain[]): readonly Bundle[] {
  return names.flatMap((name) => {
    const bundle = bundles.get(name)
    return bundle === undefined || bundle.jwtAuthorities.length === 0 ? [] : [bundle]
  })
}

/**
 * A JWK Set (RFC 7517 5) of the keys for JWT-SVIDs alone, each with its `kid`. Their `use` is left out: readers that know
 * only the values of RFC 7517 would pass them over. What says the same is the same text.
 */
function jwkSet({ jwtAuthorities }: Bundle): Uint8Array {
  const keys = jwtAuthorities
    .map(({ use: _use, ...members }) => Object.entries(members).toSorted(byName))
    .map((members): [string, object] => {
      const jwk = Object.fromEntries(members)
      return [String(jwk['kid']), jwk]
    })
    .toSorted(byName)
    .map(([, jwk]) => jwk)
  return Buffer.from(JSON.stringify({ keys }))
}

const byName = ([one]: [string, unknown], [other]: [string, unknown]): number =>
  one < other ? -1 : 1

export interface JwtParts extends ProfileParts {
  readonly jwtSvids: Pick<JwtSvids, 'fetch'>
}

/**
 * One JWT-SVID for the audience for each identity of the caller, or for the one that is asked for.
 * @throws SpindleError `request_invalid`, `spiffe_id_invalid`, `no_identity`, `not_ready`, `authority_unavailable`
 */
export function createJwtFetch(
  parts: JwtParts,
): (request: JWTSVIDRequest, question: Question) => Promise<Encoded> {
  const made = new MadeOf<Encoded>()
  return async ({ audience, spiffeId }, question) => {
    if (audience.length === 0 || audience.includes(''))
      throw new SpindleError('request_invalid', 'audience must be given, and none may be empty')
    const wanted = spiffeId === '' ? undefined : parseSpiffeId(spiffeId)
    const { grant, clock } = question
    const patience = patienceFor(question)
    for (;;) {
      const entries = await answered(question, patience, () => entriesFor(grant, wanted, parts))
      const svids = await inTime(issued(parts, entries, audience), patience, clock)
      // While it was signed the caller may have become another.
      if (!grant.caller.check()) throw new SpindleError('peer_gone', 'the calling process has gone')
      const left = new Set(grant.granted.entries.map(({ id }) => id))
      if (!entries.every(({ id }) => left.has(id))) continue
      const shown = new Set(presented(grant.granted).map(({ id }) => id))
      const make = (): Encoded => encodeSvids(entries, svids, shown)
      return entries.every(({ id }) => shown.has(id))
        ? made.of([...svids, ...entries], make)
        : make()
    }
  }
}

/** What ails the authority is for operators: the caller is told that it is unavailable. */
async function issued(
  { jwtSvids }: JwtParts,
  entries: readonly Entry[],
  audience: readonly string[],
): Promise<readonly IssuedJwtSvid[]> {
  try {
    return await Promise.all(entries.map((entry) => jwtSvids.fetch(entry, audience)))
  } catch (thrown) {
    if (codeOf(thrown) !== 'authority_unavailable') throw thrown
    const told = 'the signing authority cannot sign just now'
    throw new SpindleError('authority_unavailable', told, { cause: thrown })
  }
}

function encodeSvids(
  entries: readonly Entry[],
  svids: readonly IssuedJwtSvid[],
  /** Ids of those that are told with their hint. */
  shown: ReadonlySet<string>,
): Encoded {
  return encode(JWTSVIDResponseSchema, {
    svids: entries.map((entry, index) => ({
      spiffeId: entry.spiffeId,
      svid: svids[index]!.token,
      hint: shown.has(entry.id) ? entry.hint : '',
    })),
  })
}

function entriesFor(
  grant: Grant,
  wanted: SpiffeId | undefined,
  { bundles, trustDomain }: ProfileParts,
): Answer<readonly Entry[]> {
  const { granted, possible, undecided } = grant
  const all = presented(granted)
  if (all.length === 0) return nothingGranted(grant)
  const ready = bundles.current.get(trustDomain)?.jwtAuthorities.length ?? 0
  if (wanted !== undefined) {
    // One that has the hint of another is not told with the rest; who names it may have it.
    const named = all.filter((entry) => entry.spiffeId === wanted)
    const [entry = granted.ofSpiffeId(wanted)] = named
    if (entry === undefined)
      return undecided === undefined
        ? {
            kind: 'denied',
            why: 'the calling process does not have the SPIFFE ID that is asked for',
          }
        : { kind: 'pending', why: undecided }
    if (ready === 0) return { kind: 'pending', why: NO_OWN_BUNDLE }
    return { kind: 'there', value: [entry], awaiting: undefined }
  }
  if (ready === 0) return { kind: 'pending', why: NO_OWN_BUNDLE }
  if (!isSettled(granted, possible)) return { kind: 'pending', why: undecided ?? NOT_SETTLED }
  return { kind: 'there', value: all, awaiting: undecided }
}
