/** What the agent knows, as messages of the admin API. */
import { create } from '@bufbuild/protobuf'
import type { MessageInitShape } from '@bufbuild/protobuf'
import type { Timestamp } from '@bufbuild/protobuf/wkt'
import { timestampFromMs } from '@bufbuild/protobuf/wkt'
import type {
  GetAuthorityResponse,
  HeldSecret,
  RotateAuthorityResponse,
  Sidecar as SidecarMessage,
  Source as SourceMessage,
  TrustBundle,
} from '#spindle/admin/v1/admin_pb.js'
import {
  GetAuthorityResponseSchema,
  HeldSecretSchema,
  RotateAuthorityResponseSchema,
  SidecarSchema,
  SourceSchema,
  TrustBundleSchema,
} from '#spindle/admin/v1/admin_pb.js'
import type { SlotSchema } from '#spindle/admin/v1/admin_pb.js'
import type { AuthorityState, SlotView } from '../../authority/authority.ts'
import type { JwtAuthorityState } from '../../authority/jwt/jwt-authority.ts'
import { parseCertificate, toPem } from '../../certs/parse.ts'
import { SpindleError } from '../../runtime/errors.ts'
import { shownText } from '../../runtime/shown-text.ts'
import type { Bundle } from '../../spiffe/bundle.ts'
import { serializeBundle } from '../../spiffe/bundle.ts'
import { NO_END } from '../../telemetry/expiry-gauge.ts'
import type { SourceState } from '../match/source.ts'
import type { JwtRotationReport } from './admin/rotation.ts'
import type { Sidecar } from './sidecar.ts'
import type { SdsStream } from './stream.ts'

/** Whole milliseconds: a part of one has no place in a Timestamp. */
export const timestamp = (ms: number | undefined): Timestamp | undefined =>
  ms === undefined ? undefined : timestampFromMs(Math.floor(ms))

/** A field that is left out where there is nothing to say. */
export function at<K extends string>(key: K, ms: number | undefined): { [k in K]?: Timestamp } {
  const value = timestamp(ms)
  return value === undefined ? {} : ({ [key]: value } as { [k in K]: Timestamp })
}

/** SPIFFE-ID 2.3: no SPIFFE ID is longer. */
const SHOWN_CHARACTERS = 2048
/** PATH_MAX. A path is its owner's choice as a name is. */
const SHOWN_PATH = 4096

export const shownPath = (path: string | undefined): string => shownText(path ?? '', SHOWN_PATH)

export function describeHeld(stream: SdsStream): HeldSecret[] {
  return stream.held().map((held) =>
    create(HeldSecretSchema, {
      name: shownText(held.name, SHOWN_CHARACTERS),
      kind: held.kind ?? '',
      state: held.status,
      version: held.sent ?? '',
      acknowledgedVersion: held.acked ?? '',
      ...at('expiresAt', held.heldUntil ?? held.notAfter),
      ...at('sentAt', held.sentAt),
      variant: stream.variant,
      rejection: held.rejection ?? '',
      why: held.why,
      ...at('answeredAt', held.answeredAt),
      ...at('removedAt', held.removedAt),
    }),
  )
}

/** A sidecar with at least one open stream. */
export function describeSidecar(sidecar: Sidecar, streams: readonly SdsStream[]): SidecarMessage {
  const { connection, state } = sidecar.caller
  const node = streams.map((stream) => stream.node).find(({ id }) => id !== '') ?? streams[0]?.node
  return create(SidecarSchema, {
    pid: connection.peer.pid,
    uid: connection.peer.uid,
    gid: connection.peer.gid,
    executable: shownPath(state.current.attestation?.process.exe),
    nodeId: node?.id ?? '',
    nodeCluster: node?.cluster ?? '',
    envoyVersion: node?.envoyVersion ?? '',
    ...at('connectedAt', connection.since),
    spiffeIds: state.current.match.entries.map((entry) => entry.spiffeId),
    secrets: streams.flatMap(describeHeld),
    connectionId: connection.id,
  })
}

export function describeSource(state: SourceState): SourceMessage {
  return create(SourceSchema, {
    name: state.name,
    file: state.file,
    ...at('loadedAt', state.loadedAt),
    fault: state.fault ?? '',
  })
}

export function describeAuthority(
  kind: string,
  state: AuthorityState,
  jwt: JwtAuthorityState,
): GetAuthorityResponse {
  return create(GetAuthorityResponseSchema, {
    kind,
    slots: state.slots.map(describeSlot),
    fault: state.fault ?? '',
    anchorsPem: pemOf(state.anchors),
    jwtSlots: jwt.slots.map(describeSlot),
    jwtFault: jwt.fault ?? '',
  })
}

const describeSlot = (slot: SlotView): MessageInitShape<typeof SlotSchema> => ({
  authorityId: slot.authorityId,
  status: slot.status,
  // Of keys in a server's bundle no life is known.
  ...(slot.notAfter !== NO_END && {
    ...at('notBefore', slot.notBefore),
    ...at('notAfter', slot.notAfter),
  }),
  ...at('activatesAt', slot.activatesAt),
})

export function describeJwtRotation(report: JwtRotationReport): RotateAuthorityResponse {
  const { activeAuthorityId, prepared } = report
  return create(RotateAuthorityResponseSchema, {
    activeAuthorityId,
    preparedAuthorityId: prepared?.authorityId ?? '',
    ...at('activatesAt', prepared?.activatesAt),
  })
}

export function describeBundle(bundle: Bundle, own: boolean, fault: string): TrustBundle {
  return create(TrustBundleSchema, {
    trustDomain: bundle.trustDomain,
    own,
    pem: pemOf(bundle.x509Authorities),
    document: documentOf(bundle),
    certificates: bundle.x509Authorities.map((der) => {
      const { subject, subjectKeyId, notAfter } = parseCertificate(der, bundle.trustDomain)
      return { subject, subjectKeyId, ...at('notAfter', notAfter) }
    }),
    fault,
    jwtKeyIds: bundle.jwtAuthorities.map((jwk) => String(jwk['kid'])),
  })
}

/** A trust anchor may have a key that JWK has no form for: it is served all the same. */
function documentOf(bundle: Bundle): string {
  try {
    return serializeBundle(bundle)
  } catch (thrown) {
    if (thrown instanceof SpindleError) return ''
    throw thrown
  }
}

function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((der) => toPem(der, 'CERTIFICATE')).join('')
}
