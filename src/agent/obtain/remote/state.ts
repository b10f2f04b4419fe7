/** What the own bundle of a server says, as the states of authorities. */
import type { AuthorityState, SlotStatus, SlotView } from '../../../authority/authority.ts'
import type { JwtAuthorityState } from '../../../authority/jwt/jwt-authority.ts'
import { parseCertificate } from '../../../certs/parse.ts'
import type { JwtAuthorityJwk } from '../../../jwt/keys.ts'
import { NO_END } from '../../../telemetry/expiry-gauge.ts'
import type { ServedBundle } from '../server/link.ts'

/** What is known of an authority beside the bundle it is in. */
export interface Known {
  /** Of what was signed last; undefined: nothing yet. */
  readonly signer: string | undefined
  /** Why the server cannot be asked just now; undefined: it can. */
  readonly fault: string | undefined
  readonly now: number
}

const NOTHING_YET = 'nothing has come from the server yet'

export function x509State(own: ServedBundle | undefined, known: Known): AuthorityState {
  if (own === undefined) return { anchors: [], slots: [], fault: known.fault ?? NOTHING_YET }
  const { trustDomain, x509Authorities: anchors } = own.bundle
  const isTainted = memberOf(own.taintedX509)
  const listed = anchors.map((der) => {
    const { subjectKeyId, notBefore, notAfter } = parseCertificate(der, trustDomain)
    return { authorityId: subjectKeyId, notBefore, notAfter, tainted: isTainted(der) }
  })
  const tainted = anchors.filter(isTainted)
  return {
    anchors,
    slots: asSlots(listed, known),
    ...(tainted.length > 0 && { taintedAnchors: tainted }),
    ...(known.fault !== undefined && { fault: known.fault }),
  }
}

export function jwtState(own: ServedBundle | undefined, known: Known): JwtAuthorityState {
  if (own === undefined) return { keys: [], slots: [], fault: known.fault ?? NOTHING_YET }
  const keys = own.bundle.jwtAuthorities as readonly JwtAuthorityJwk[]
  const tainted = new Set(own.taintedJwt)
  const listed = keys.map(({ kid = '' }) => ({
    authorityId: kid,
    notBefore: 0,
    notAfter: NO_END,
    tainted: tainted.has(kid),
  }))
  return {
    keys,
    slots: asSlots(listed, known),
    ...(known.fault !== undefined && { fault: known.fault }),
  }
}

interface Listed {
  readonly authorityId: string
  readonly notBefore: number
  readonly notAfter: number
  readonly tainted: boolean
}

/** Which of them signs is not said: it is the one that did so last, else the newest. */
function asSlots(listed: readonly Listed[], { signer, now }: Known): readonly SlotView[] {
  const usable = listed.filter(
    ({ tainted, notBefore, notAfter }) => !tainted && notBefore <= now && now < notAfter,
  )
  const active =
    usable.find(({ authorityId }) => authorityId === signer) ??
    usable.reduce<Listed | undefined>(
      (best, one) => (best === undefined || one.notBefore >= best.notBefore ? one : best),
      undefined,
    )
  return listed.map(({ tainted, ...slot }) => ({
    ...slot,
    status: statusOf({ tainted, ...slot }, active),
  }))
}

function statusOf(slot: Listed, active: Listed | undefined): SlotStatus {
  if (slot.tainted) return 'tainted'
  if (slot.authorityId === active?.authorityId) return 'active'
  return active !== undefined && slot.notBefore > active.notBefore ? 'prepared' : 'old'
}

function memberOf(certificates: readonly Uint8Array[]): (der: Uint8Array) => boolean {
  const known = new Set(certificates.map(base64))
  return (der) => known.has(base64(der))
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')

/** The same text for states that say the same. */
export function jwtStateText({ keys, slots, fault }: JwtAuthorityState): string {
  return JSON.stringify([keys, slots, fault])
}
