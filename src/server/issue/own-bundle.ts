/** The own trust domain's bundle in the store, which each server adds its part to: step functions on plain values. */
import { hash } from 'node:crypto'
import { parseCertificate } from '../../certs/parse.ts'
import type { TrustDomain } from '../../spiffe/spiffe-id.ts'
import type {
  JournaledAuthority,
  PublicKey,
  StoredBundle,
  X509Authority,
} from '../../store/model.ts'

/** What one server has in the bundle, and what of it shall not be there any more. */
export interface OwnPart {
  readonly x509: readonly X509Authority[]
  readonly jwt: readonly PublicKey[]
  /** `anchorId`s and `kid`s. */
  readonly gone: ReadonlySet<string>
}

/** How often readers of the bundle shall look for a change, as SPIRE says by default. */
const REFRESH_HINT_S = 300
/** Of what has expired, for clocks that are behind: SPIRE's. */
export const KEPT_EXPIRED_MS = 24 * 60 * 60_000

export const anchorId = (certificate: Uint8Array): string => hash('sha256', certificate, 'hex')

/** What in the bundle is there for the sake of `row`. */
export function anchorsOf(row: JournaledAuthority): readonly string[] {
  if (row.source === 'revoked') return []
  return row.kind === 'x509' ? (row.anchors ?? []) : [row.authorityId]
}

/** `current` where it has the part already. What is tainted stays so, whoever said it. */
export function withPart(
  trustDomain: TrustDomain,
  current: StoredBundle | undefined,
  part: OwnPart,
): StoredBundle {
  const empty = { x509Authorities: [], jwtAuthorities: [], witAuthorities: [], sequence: 0 }
  const before: StoredBundle = current ?? {
    trustDomain,
    ...empty,
    refreshHintSeconds: REFRESH_HINT_S,
  }
  const x509Authorities = merged(before.x509Authorities, part.x509, {
    idOf: ({ certificate }) => anchorId(certificate),
    gone: part.gone,
  })
  const jwtAuthorities = merged(before.jwtAuthorities, part.jwt, {
    idOf: ({ keyId }) => keyId,
    gone: part.gone,
  })
  return changed(before, { x509Authorities, jwtAuthorities })
}

/** Whether `current` lacks something of the part. */
export function lacksPart(
  current: StoredBundle | undefined,
  part: Pick<OwnPart, 'x509' | 'jwt'>,
): boolean {
  if (current === undefined) return part.x509.length + part.jwt.length > 0
  return withPart(current.trustDomain, current, { ...part, gone: new Set() }) !== current
}

/** Without what expired long ago; SPIRE's rule, and like there the last of a kind are left. */
export function withoutExpired(bundle: StoredBundle, now: number): StoredBundle {
  const lives = (notAfter: number | undefined): boolean =>
    notAfter === undefined || now < notAfter + KEPT_EXPIRED_MS
  const keys = (all: readonly PublicKey[]): readonly PublicKey[] =>
    all.filter(({ expiresAt }) => lives(expiresAt))
  return changed(bundle, {
    x509Authorities: someOf(bundle.x509Authorities, (each) => lives(endOf(each))),
    jwtAuthorities: keys(bundle.jwtAuthorities),
    witAuthorities: keys(bundle.witAuthorities),
  })
}

function someOf<T>(all: readonly T[], keep: (one: T) => boolean): readonly T[] {
  const kept = all.filter(keep)
  return kept.length === 0 ? all : kept
}

/** undefined: it cannot be read, and who wrote it must say when it goes. */
function endOf({ certificate }: X509Authority): number | undefined {
  try {
    return parseCertificate(certificate, 'an X.509 authority of the bundle').notAfter
  } catch {
    return undefined
  }
}

function merged<T extends { readonly tainted: boolean }>(
  before: readonly T[],
  own: readonly T[],
  { idOf, gone }: { readonly idOf: (one: T) => string; readonly gone: ReadonlySet<string> },
): readonly T[] {
  const wanted = new Map(own.map((one) => [idOf(one), one]))
  const kept = before.flatMap((one) => {
    const id = idOf(one)
    const mine = wanted.get(id)
    wanted.delete(id)
    if (mine !== undefined) return [mine.tainted && !one.tainted ? { ...one, tainted: true } : one]
    return gone.has(id) ? [] : [one]
  })
  return [...kept, ...wanted.values()]
}

type Authorities = Pick<StoredBundle, 'x509Authorities' | 'jwtAuthorities'> &
  Partial<Pick<StoredBundle, 'witAuthorities'>>

/** The same bundle where nothing changed, else with the next sequence number. */
function changed(before: StoredBundle, next: Authorities): StoredBundle {
  const same = (Object.keys(next) as (keyof Authorities)[]).every((key) => {
    const [one, other] = [before[key], next[key] ?? []]
    return one.length === other.length && one.every((each, at) => each === other[at])
  })
  return same ? before : { ...before, ...next, sequence: before.sequence + 1 }
}
