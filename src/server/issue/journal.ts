/** What is journaled of a server's authorities, and what the journal says of those it kept. */
import type { AuthorityState, SlotStatus } from '../../authority/authority.ts'
import type { JwtSlot } from '../../authority/jwt/jwt-slot.ts'
import type { CaSlot } from '../../authority/slot.ts'
import type { RotatingSlot } from '../../authority/slots/rotation.ts'
import { parseCertificate } from '../../certs/parse.ts'
import { SpindleError } from '../../runtime/errors.ts'
import type { JournaledAuthority, PublicKey, X509Authority } from '../../store/model.ts'
import { anchorId, KEPT_EXPIRED_MS } from './own-bundle.ts'

/** What a server's rows are there for: its own authorities, or the JWT keys that a server above has. */
export type Part = 'x509' | 'jwt' | 'above'

/** undefined: a key that was revoked, remembered so that a server above does not bring it back. */
export function partOf({ kind, source }: JournaledAuthority): Part | undefined {
  if (kind === 'wit' || source === 'revoked') return undefined
  return kind === 'jwt' && source === 'above' ? 'above' : kind
}

/** Of one kind of authority: its rows of the journal, and its part of the bundle. */
export interface Announcement {
  readonly rows: readonly JournaledAuthority[]
  readonly x509: readonly X509Authority[]
  readonly jwt: readonly PublicKey[]
}

export function aboveAnnouncement(serverId: string, jwt: readonly PublicKey[]): Announcement {
  const rows = jwt.map(({ keyId, tainted, expiresAt }): JournaledAuthority => ({
    serverId,
    kind: 'jwt',
    authorityId: keyId,
    status: tainted ? 'tainted' : 'old',
    notAfter: expiresAt ?? Number.MAX_SAFE_INTEGER,
    source: 'above',
  }))
  return { rows, x509: [], jwt }
}

/** Which server it is, and where its CA certificates come from. */
export interface Journaling {
  readonly serverId: string
  readonly source: string
}

export function x509Announcement(
  { serverId, source }: Journaling,
  { anchors, taintedAnchors = [] }: AuthorityState,
  slots: readonly CaSlot[],
): Announcement {
  const tainted = new Set(taintedAnchors.map(anchorId))
  const x509 = anchors.map((certificate) => ({
    certificate,
    tainted: tainted.has(anchorId(certificate)),
  }))
  const all = anchors.map(anchorId)
  const rows = slots.map(({ authorityId, status, notAfter, certificates }): JournaledAuthority => {
    const [own] = certificates
    const above = own && parseCertificate(own, 'the CA certificate').authorityKeyId
    const isRoot = own !== undefined && all.includes(anchorId(own))
    return {
      serverId,
      kind: 'x509',
      authorityId,
      status,
      notAfter,
      ...(!isRoot && above !== undefined && above !== '' && { upstreamKeyId: above }),
      source,
      anchors: isRoot ? [anchorId(own)] : all,
    }
  })
  return { rows, x509, jwt: [] }
}

export function jwtAnnouncement(serverId: string, slots: readonly JwtSlot[]): Announcement {
  const jwt = slots.map(({ authorityId, notAfter, status, verification }) => ({
    keyId: authorityId,
    publicKey: verification.spki,
    expiresAt: notAfter,
    tainted: status === 'tainted',
  }))
  const rows = slots.map(({ authorityId, status, notAfter }): JournaledAuthority => ({
    serverId,
    kind: 'jwt',
    authorityId,
    status,
    notAfter,
  }))
  return { rows, x509: [], jwt }
}

/**
 * Of a server whose config names another source now: what was signed before is to be trusted until it expires.
 * undefined: it is of `source`, or over.
 */
export function ofFormerSource(
  row: JournaledAuthority,
  source: string,
  now: number,
): JournaledAuthority | undefined {
  if (row.kind !== 'x509' || row.source === source) return undefined
  if (now >= row.notAfter + KEPT_EXPIRED_MS) return undefined
  return row.status === 'tainted' ? row : { ...row, status: 'old' }
}

const ORDER: readonly SlotStatus[] = ['prepared', 'active', 'old', 'tainted']
const further = (one: SlotStatus, other: SlotStatus): SlotStatus =>
  ORDER.indexOf(other) > ORDER.indexOf(one) ? other : one

/**
 * What a server kept, as far as the journal knows it. State is stored before it is journaled, so the journal is ahead only where
 * `stateDir` was brought back from an older copy: it is followed then, or what was revoked since would come back.
 * @param rows those of this server, kind and source
 * @throws SpindleError `authority_lost` where what signs for it is not among `kept`
 */
export function reconciled<Slot extends RotatingSlot>(
  kept: readonly Slot[],
  rows: readonly JournaledAuthority[],
  now: number,
): readonly Slot[] {
  const byId = new Map(rows.map((row) => [row.authorityId, row]))
  const lost = rows.find(
    (row) =>
      row.status === 'active' &&
      now < row.notAfter &&
      !kept.some(({ authorityId }) => authorityId === row.authorityId),
  )
  if (lost !== undefined) {
    const until = new Date(lost.notAfter).toISOString()
    const what = lost.kind === 'jwt' ? 'JWT key' : 'CA key'
    const fault = `its ${what} is not there, and by the store it signs until ${until} (${lost.authorityId})`
    throw new SpindleError('authority_lost', fault)
  }
  const isAhead = kept.some(({ authorityId, status }) => {
    const row = byId.get(authorityId)
    return row !== undefined && further(status, row.status) !== status
  })
  return kept.flatMap((slot): Slot[] => {
    const row = byId.get(slot.authorityId)
    if (row === undefined) return isAhead ? [] : [{ ...slot, publishedAt: undefined }]
    return [isAhead ? { ...slot, status: further(slot.status, row.status) } : slot]
  })
}
