/** Certificates of any shape, right or wrong, by a library that is not the code under test. */
import 'reflect-metadata'
import * as x509 from '@peculiar/x509'
import { webcrypto } from 'node:crypto'
import { generateKey, type KeyPair, type KeyType } from '../../../src/certs/keys.ts'
import { parseTrustDomain, type TrustDomain } from '../../../src/spiffe/spiffe-id.ts'

export const NOW = Date.UTC(2026, 10, 22, 12)
export const HOUR = 3_600_000
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'
export const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2'
export const USAGE = x509.KeyUsageFlags

export interface Made {
  readonly der: Buffer
  readonly key: KeyPair
  readonly name: string
}

export interface Wanted {
  /** Absent: self-signed. */
  readonly by?: Made
  readonly key?: KeyPair
  readonly keyType?: KeyType
  /** '' for an empty subject. */
  readonly name?: string
  readonly uris?: readonly string[]
  readonly dns?: readonly string[]
  readonly sanCritical?: boolean
  /** Absent: no basicConstraints. */
  readonly ca?: boolean
  readonly pathLen?: number
  /** Absent: no keyUsage. */
  readonly usage?: number
  readonly usageCritical?: boolean
  readonly purposes?: readonly string[]
  readonly notBefore?: number
  readonly notAfter?: number
  readonly more?: readonly x509.Extension[]
}

let made = 0

export async function makeCertificate(wanted: Wanted): Promise<Made> {
  const key = wanted.key ?? (await generateKey(wanted.keyType ?? 'ec-p256'))
  const signer = wanted.by?.key ?? key
  const name = wanted.name ?? `CN=test ${++made}`
  const names = [
    ...(wanted.dns ?? []).map((value) => ({ type: 'dns' as const, value })),
    ...(wanted.uris ?? []).map((value) => ({ type: 'url' as const, value })),
  ]
  const extensions: x509.Extension[] = [...(wanted.more ?? [])]
  if (wanted.ca !== undefined) {
    extensions.push(new x509.BasicConstraintsExtension(wanted.ca, wanted.pathLen, true))
  }
  if (wanted.usage !== undefined) {
    extensions.push(new x509.KeyUsagesExtension(wanted.usage, wanted.usageCritical ?? true))
  }
  if (wanted.purposes !== undefined) {
    extensions.push(new x509.ExtendedKeyUsageExtension([...wanted.purposes]))
  }
  if (names.length > 0) {
    extensions.push(new x509.SubjectAlternativeNameExtension(names, wanted.sanCritical ?? false))
  }
  const algorithm = algorithmOf(signer)
  const created = await x509.X509CertificateGenerator.create(
    {
      serialNumber: (++made).toString(16).padStart(4, '0'),
      subject: name,
      issuer: wanted.by?.name ?? name,
      notBefore: new Date(wanted.notBefore ?? NOW - HOUR),
      notAfter: new Date(wanted.notAfter ?? NOW + HOUR),
      publicKey: new Uint8Array(key.spki),
      signingKey: signer.privateKey.toCryptoKey(algorithm, false, ['sign']) as CryptoKey,
      signingAlgorithm: algorithm,
      extensions,
    },
    webcrypto as Crypto,
  )
  return { der: Buffer.from(created.rawData), key, name }
}

const algorithmOf = (
  key: KeyPair,
): { readonly name: string; readonly hash: string; readonly namedCurve?: string } => {
  if (key.type === 'ec-p256') return { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  if (key.type === 'ec-p384') return { name: 'ECDSA', namedCurve: 'P-384', hash: 'SHA-384' }
  return { name: 'RSASSA-PKCS1-v1_5', hash: 'SHA-256' }
}

/** A certificate that may sign, for `example.org`. */
export const makeCa = (wanted: Wanted = {}): Promise<Made> =>
  makeCertificate({ ca: true, usage: USAGE.keyCertSign | USAGE.cRLSign, ...wanted })

/** A valid leaf for `spiffe://example.org/web`. */
export const makeLeaf = (wanted: Wanted): Promise<Made> =>
  makeCertificate({
    uris: ['spiffe://example.org/web'],
    ca: false,
    usage: USAGE.digitalSignature,
    purposes: [SERVER_AUTH, CLIENT_AUTH],
    ...wanted,
  })

export const bundlesOf = (
  bundles: Readonly<Record<string, readonly Made[]>>,
): ReadonlyMap<TrustDomain, readonly Uint8Array[]> =>
  new Map(
    Object.entries(bundles).map(([name, authorities]) => [
      parseTrustDomain(name),
      authorities.map(({ der }) => der),
    ]),
  )

/** An extension with these bytes as its value. */
export const rawExtension = (oid: string, critical: boolean, value: string): x509.Extension =>
  new x509.Extension(oid, critical, new Uint8Array(Buffer.from(value, 'hex')))
