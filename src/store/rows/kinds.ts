import { Buffer } from 'node:buffer'
import type {
  FederationRelationship,
  JournaledAuthority,
  PublicKey,
  RegisteredServer,
  StoredBundle,
} from '../model.ts'
import type { AuthorityKey } from '../port.ts'
import type { Kind } from './records.ts'

/* How each kind of record is written: bytes as base64, members in one order. */

interface BundleJson {
  readonly trustDomain: StoredBundle['trustDomain']
  readonly x509: readonly { readonly certificate: string; readonly tainted: boolean }[]
  readonly jwt: readonly KeyJson[]
  readonly wit: readonly KeyJson[]
  readonly refreshHintSeconds?: number
  readonly sequence: number
}

interface KeyJson {
  readonly keyId: string
  readonly publicKey: string
  readonly expiresAt?: number
  readonly tainted: boolean
}

export const BUNDLE: Kind<StoredBundle> = {
  kind: 'bundle',
  write: (bundle): BundleJson => ({
    trustDomain: bundle.trustDomain,
    x509: bundle.x509Authorities.map(({ certificate, tainted }) => ({
      certificate: base64(certificate),
      tainted,
    })),
    jwt: bundle.jwtAuthorities.map(keyJson),
    wit: bundle.witAuthorities.map(keyJson),
    ...(bundle.refreshHintSeconds !== undefined && {
      refreshHintSeconds: bundle.refreshHintSeconds,
    }),
    sequence: bundle.sequence,
  }),
  read: (json: BundleJson): StoredBundle => ({
    trustDomain: json.trustDomain,
    x509Authorities: json.x509.map(({ certificate, tainted }) => ({
      certificate: bytes(certificate),
      tainted,
    })),
    jwtAuthorities: json.jwt.map(keyOf),
    witAuthorities: json.wit.map(keyOf),
    ...(json.refreshHintSeconds !== undefined && { refreshHintSeconds: json.refreshHintSeconds }),
    sequence: json.sequence,
  }),
}

export const FEDERATION: Kind<FederationRelationship> = {
  kind: 'federation',
  write: ({ trustDomain, endpointUrl, profile }): FederationRelationship => ({
    trustDomain,
    endpointUrl,
    profile:
      profile.kind === 'https_web'
        ? { kind: 'https_web' }
        : { kind: 'https_spiffe', endpointId: profile.endpointId },
  }),
  read: (json: FederationRelationship) => json,
}

export const AUTHORITY: Kind<JournaledAuthority> = {
  kind: 'authority',
  write: (authority): JournaledAuthority => ({
    serverId: authority.serverId,
    kind: authority.kind,
    authorityId: authority.authorityId,
    status: authority.status,
    notAfter: authority.notAfter,
    ...(authority.upstreamKeyId !== undefined && { upstreamKeyId: authority.upstreamKeyId }),
    ...(authority.source !== undefined && { source: authority.source }),
    ...(authority.anchors !== undefined && { anchors: authority.anchors }),
  }),
  read: (json: JournaledAuthority) => json,
}

export function authorityKey({ serverId, kind, authorityId }: AuthorityKey): string {
  return `${serverId}/${kind}/${authorityId}`
}

export const SERVER: Kind<RegisteredServer> = {
  kind: 'server',
  write: ({ id, lastSeen }): RegisteredServer => ({ id, lastSeen }),
  read: (json: RegisteredServer) => json,
}

function keyJson({ keyId, publicKey, expiresAt, tainted }: PublicKey): KeyJson {
  return {
    keyId,
    publicKey: base64(publicKey),
    ...(expiresAt !== undefined && { expiresAt }),
    tainted,
  }
}

function keyOf({ publicKey, ...rest }: KeyJson): PublicKey {
  return { ...rest, publicKey: bytes(publicKey) }
}

const base64 = (data: Uint8Array): string => Buffer.from(data).toString('base64')
const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'))
